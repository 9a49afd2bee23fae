/**
 * Headers a browser marks a request with that no person made: a page's speculation rules, a link to prefetch, a preview
 * (`Sec-Purpose` of the Fetch standard, and the names it had before).
 */
export const aheadHeaders = ["sec-purpose", "purpose", "x-purpose", "x-moz"] as const;
