import { expect, test } from "bun:test";
import { Output } from "../../src/cli/frame/output.ts";
import { realRuntime } from "../../src/platform/runtime.ts";

/** A note while a spinner turns stands on a line of its own. */

test("a note takes the spinner's place, and a long activity stays on one line", async () => {
  let screen = "";
  const { terminal } = realRuntime({ LANG: "C.UTF-8", NO_COLOR: "1" }, true);
  const drawn = Object.defineProperties(Object.create(terminal) as typeof terminal, {
    animated: { value: true },
    columns: { value: () => 40 },
    color: { value: () => false },
    err: {
      value: (text: string) => {
        screen += text;
      },
    },
  });
  const output = new Output(drawn, false);
  await output.during(`asking https://${"x".repeat(80)}.example.com`, async () => {
    output.say.warn("something is odd");
  });
  const lines = screen.split("\n");
  expect(lines[0]).toStartWith("\r⠋ asking https://");
  expect(lines[0]).toEndWith("… \r\u001b[Kwarning: something is odd");
  const [spinner = ""] = screen.slice(1).split("\r");
  expect(Bun.stringWidth(spinner)).toBeLessThanOrEqual(40);
  expect(lines[1]).toBe("\r\u001b[K");
});
