import { PortalProblem, PortalUnreachable } from "./problem.js";

export interface RetryPolicy {
  /** How often a request is sent at most, the first time included. */
  readonly attempts: number;
  /** The longest time for all attempts together. */
  readonly withinSeconds: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, withinSeconds: 60 };

/** Statuses that may pass by themselves. 409 only while the same key is still at work. */
export function mayPass(error: unknown): boolean {
  if (error instanceof PortalUnreachable) return true;
  if (!(error instanceof PortalProblem)) return false;
  return error.status === 429 || error.status === 503 || error.code === "command_in_progress";
}

/**
 * Repeat what may pass by itself, as long after each failure as the portal asks for, or else twice as long as before.
 *
 * `send` must be safe to repeat: a read, or a write under one Idempotency-Key.
 */
export async function repeat<T>(
  send: () => Promise<T>,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  const deadline = Date.now() + policy.withinSeconds * 1000;
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const milliseconds = delayMilliseconds(error, attempt);
      if (attempt >= policy.attempts || !mayPass(error) || Date.now() + milliseconds > deadline) throw error;
      await sleep(milliseconds, signal);
    }
  }
}

function delayMilliseconds(error: unknown, attempt: number): number {
  const asked = error instanceof PortalProblem ? error.retryAfterSeconds : undefined;
  const plain = asked === undefined ? 250 * 2 ** (attempt - 1) : asked * 1000;
  return plain * (1 + Math.random() / 4);
}

/** Wait; rejects with the signal's reason when it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
