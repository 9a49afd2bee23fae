import { bodyToJudge, decoded } from "./attempt.ts";

/** Words of hosts about a beta that they do not name: Bedrock's, and the header's name. */
const unnamed = /beta flag|anthropic[-_]beta/i;

/**
 * Passes an answer on as it comes, and looks whether it refuses a beta: a 400 whose text names one of those that the request asks
 * for, or the header.
 *
 * @param asked the request's `anthropic-beta`
 * @param refused called with the betas that the text names, or all, before the answer's end goes on
 */
export function watchForRefusal(
  response: Response,
  asked: string | undefined,
  refused: (betas: readonly string[]) => void | Promise<void>,
): Response {
  if (response.status !== 400 || asked === undefined || !response.body) return response;
  const betas = asked.split(",").map((beta) => beta.trim());
  const pieces: Uint8Array[] = [];
  let left = bodyToJudge;
  const watched = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        // A copy: the sender may reuse a piece's memory as soon as it is passed on.
        if (left > 0) pieces.push(Uint8Array.from(piece.subarray(0, left)));
        left -= piece.length;
        controller.enqueue(piece);
      },
      async flush() {
        const text =
          left < 0 ? undefined : await decoded(Buffer.concat(pieces), response.headers.get("content-encoding"));
        const named = betas.filter((beta) => beta && text?.includes(beta));
        if (named.length > 0) await refused(named);
        else if (text !== undefined && unnamed.test(text)) await refused(betas);
      },
    }),
  );
  return new Response(watched, response);
}
