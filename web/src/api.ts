// Speaks to the server that served this page.

import { token } from "./session";

/** Longest wait for any answer. A console that hangs says nothing about the server. */
const TIMEOUT_MS = 10_000;

/** What the server answers when it refuses: its own words, and which fields were meant. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fields: Record<string, string>,
    readonly requestId: string,
  ) {
    super(message);
  }
}

/** An answer, whatever its status: probes say as much with 503 as with 200. */
export interface Answer<T> {
  status: number;
  body: T;
  elapsedMs: number;
}

/** Asks and gives back whatever came. Throws only when nothing did. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const headers = new Headers(init.headers);
  if (token.value) headers.set("Authorization", token.value);
  if (init.body) headers.set("Content-Type", "application/json");
  const started = performance.now();
  const response = await fetch(path, {
    ...init,
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  const elapsedMs = performance.now() - started;
  return { status: response.status, body: parse(text) as T, elapsedMs };
}

/** Asks and gives back the body of a success; anything else is a `Refusal`. */
export async function get<T>(path: string): Promise<T> {
  return accepted(await ask<T>(path));
}

/** Sends `body` and gives back the body of a success; anything else is a `Refusal`. */
export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  return accepted(await ask<T>(path, { method: "POST", body: JSON.stringify(body) }));
}

function accepted<T>(answer: Answer<T>): T {
  if (answer.status < 400) return answer.body;
  const envelope = (answer.body ?? {}) as Envelope;
  throw new Refusal(
    answer.status,
    envelope.message || `The server answered ${answer.status}.`,
    Object.fromEntries(Object.entries(envelope.data ?? {}).map(([name, problem]) => [name, problem.message ?? ""])),
    envelope.request_id ?? "",
  );
}

interface Envelope {
  message?: string;
  request_id?: string;
  data?: Record<string, { message?: string }>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's error page, for example: the status still says enough.
    return null;
  }
}
