/**
 * Lets the records remember something outside of the vault, so that it shows when an earlier state of that is put
 * back: of the audit trail. The vault seals and keeps each record's mark, and knows nothing of its meaning.
 */
export interface Memory {
  /**
   * Called before a record is sealed. It throws nothing.
   *
   * @param name the record's name
   * @param before the mark of the record that is replaced
   * @returns the mark to seal with the record
   */
  sealing(name: string, before: string | undefined): Promise<string | undefined>;
  /** Called before a record is removed. It throws nothing. */
  removing(name: string, before: string | undefined): Promise<void>;
}

/** A record and its mark. */
export interface Marked {
  readonly record: unknown;
  readonly mark: string | undefined;
}

/**
 * @returns the content to seal. The mark is one more member of the record, so that earlier versions, which ignore it,
 *   open the record
 */
export function withMark({ record, mark }: Marked): unknown {
  return mark === undefined || typeof record !== "object" ? record : { ...record, trail: mark };
}

/** @returns the record and its mark out of a sealed content */
export function takeMark(content: unknown): Marked {
  if (typeof content !== "object" || content === null || !("trail" in content)) {
    return { record: content, mark: undefined };
  }
  const { trail, ...record } = content;
  return typeof trail === "string" ? { record, mark: trail } : { record: content, mark: undefined };
}
