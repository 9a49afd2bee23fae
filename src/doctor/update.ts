import { isCi } from "../core/env.ts";
import { asCodemieError } from "../core/errors.ts";
import { isOlder, version } from "../core/version.ts";
import type { Runtime } from "../platform/runtime.ts";
import { latestVersion } from "../update/latest.ts";
import { releasesBase } from "../update/releases.ts";
import { type Check, failedWith, ok, skipped, warning } from "./check.ts";

/** How long the server of the releases may take, ms: less than a check may, and it fails nothing. */
const patienceMs = 5_000;

/** @returns the check for a newer version of this program */
export function updateCheck(runtime: Runtime): Check {
  return {
    id: "version",
    title: "version",
    async run(signal) {
      try {
        if (isCi(runtime.env)) return skipped("a job of a CI system asks for no newer version");
        if (releasesBase(runtime.env) === undefined) return skipped("nothing says where the releases are");
        const latest = await latestVersion(runtime, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
        if (latest === undefined) return skipped("the server of the releases did not say what the latest is");
        if (isOlder(version, latest)) return warning(`${latest} is out, and this is ${version}`, "codemie self update");
        return ok(latest === version ? `${version} is the latest` : `${version}, and ${latest} is the latest release`);
      } catch (error) {
        const failure = asCodemieError(error);
        if (failure.code === "usage") return failedWith(failure);
        return skipped("nothing can be stored here, so nobody is asked for a newer version");
      }
    },
  };
}
