// Who is signed in on this device.

import { computed, signal } from "@preact/signals";
import { ask, post } from "./api";

const KEY = "holdall.session";
const ACCOUNTS = "/api/collections/_superusers";

interface Session {
  token: string;
  email: string;
}

interface SignedIn {
  token: string;
  record: { email: string };
}

const session = signal<Session | null>(remembered());

/** The token that requests carry, or nothing. */
export const token = computed(() => session.value?.token ?? "");

/** The address of the superuser who is signed in, or nothing. */
export const email = computed(() => session.value?.email ?? "");

/** Signs in with an address and a password, or throws the server's refusal. */
export async function signIn(identity: string, password: string): Promise<void> {
  keep(await post<SignedIn>(`${ACCOUNTS}/auth-with-password`, { identity, password }));
}

export function signOut(): void {
  localStorage.removeItem(KEY);
  session.value = null;
}

/** Renews the remembered session. One that the server no longer knows is forgotten; an absent server changes nothing. */
export async function resume(): Promise<void> {
  if (!session.value) return;
  try {
    const answer = await ask<SignedIn>(`${ACCOUNTS}/auth-refresh`, { method: "POST", body: "{}" });
    if (answer.status === 200) keep(answer.body);
    else if (answer.status < 500 && answer.status !== 429) signOut();
  } catch {
    // The status page says that the server is away; the session may still be good.
  }
}

function keep(signedIn: SignedIn): void {
  session.value = { token: signedIn.token, email: signedIn.record.email };
  localStorage.setItem(KEY, JSON.stringify(session.value));
}

function remembered(): Session | null {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "null") as Partial<Session> | null;
    return stored?.token && stored.email ? { token: stored.token, email: stored.email } : null;
  } catch {
    return null;
  }
}
