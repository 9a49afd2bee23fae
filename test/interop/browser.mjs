#!/usr/bin/env node
// Stands where a browser would, and notes the address it is given.
import { writeFileSync } from "node:fs";

writeFileSync(process.env.BROWSER_LOG, process.argv[2]);
