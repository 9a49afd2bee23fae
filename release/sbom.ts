import type { Bundled } from "./bundled.ts";

/** @returns the address of an npm package (package-url/purl-spec, type npm: the scope's `@` is encoded) */
const purl = ({ name, version }: { name: string; version: string }) => `pkg:npm/${name.replace("@", "%40")}@${version}`;

/**
 * @param version of the program
 * @returns a list of what the program is made of (CycloneDX 1.6); it holds no time and no random number, so two builds agree
 */
export function billOfMaterials(version: string, packages: readonly Bundled[]): object {
  const own = `pkg:generic/codemie@${version}`;
  const byName = new Map(packages.map((one) => [one.name, purl(one)]));
  const needed = new Set(packages.flatMap(({ needs }) => needs));
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      lifecycles: [{ phase: "build" }],
      component: {
        type: "application",
        "bom-ref": own,
        name: "codemie",
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        purl: own,
      },
    },
    components: packages.map((one) => {
      const [scope, name] = one.name.startsWith("@") ? one.name.split("/") : [undefined, one.name];
      return {
        type: one.name === "bun" ? "platform" : "library",
        "bom-ref": purl(one),
        ...(scope === undefined ? {} : { group: scope }),
        name,
        version: one.version,
        scope: "required",
        hashes: [{ alg: "SHA-512", content: one.sha512 }],
        licenses: [{ license: { id: one.license } }],
        purl: purl(one),
      };
    }),
    dependencies: [
      { ref: own, dependsOn: packages.filter(({ name }) => !needed.has(name)).map(purl) },
      ...packages.map((one) => ({
        ref: purl(one),
        dependsOn: one.needs.map((name) => byName.get(name)).sort(),
      })),
    ],
  };
}
