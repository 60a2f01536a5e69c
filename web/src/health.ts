// Watches the server: asks its probes every few seconds while somebody is looking.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Answer, ask } from "./api";

/** Pause between two rounds of questions. */
const PAUSE_MS = 5_000;

/** How many round trips the page remembers, for its line. */
const REMEMBERED = 60;

export type State = "UP" | "DEGRADED" | "DOWN";

export interface Check {
  status: State;
  details?: Record<string, unknown> | string;
  error?: string;
}

interface Ready {
  status: State;
  timestamp?: string;
  checks?: Record<string, Check>;
}

interface Alive {
  version?: string;
  uptime_s?: number;
}

export interface Health {
  /** `null` before the first answer. */
  state: State | null;
  reachable: boolean;
  checks: Record<string, Check>;
  version: string;
  uptimeSeconds: number | null;
  api: string;
  /** Round trips of `/api/health`, oldest first. */
  tripsMs: number[];
}

export const health = signal<Health>({
  state: null,
  reachable: true,
  checks: {},
  version: "",
  uptimeSeconds: null,
  api: "",
  tripsMs: [],
});

/** Keeps `health` fresh while the component that asks for it is shown and the tab is visible. */
export function useHealth(): Health {
  useEffect(() => {
    let stopped = false;
    let timer = 0;
    const round = async () => {
      clearTimeout(timer);
      if (!document.hidden) await look();
      if (!stopped) timer = window.setTimeout(round, PAUSE_MS);
    };
    const onVisible = () => void (document.hidden || round());
    document.addEventListener("visibilitychange", onVisible);
    void round();
    return () => {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, []);
  return health.value;
}

async function look(): Promise<void> {
  try {
    const [api, ready, alive] = await Promise.all([
      ask<{ message?: string }>("/api/health"),
      ask<Ready>("/health/ready"),
      ask<Alive>("/health"),
    ]);
    health.value = reading(api, ready.body ?? { status: "DOWN" }, alive.body ?? {});
  } catch {
    health.value = { ...health.value, state: "DOWN", reachable: false, api: "" };
  }
}

function reading(api: Answer<{ message?: string }>, ready: Ready, alive: Alive): Health {
  return {
    state: ready.status,
    reachable: true,
    checks: ready.checks ?? {},
    version: alive.version ?? "",
    uptimeSeconds: alive.uptime_s ?? null,
    api: api.body?.message ?? `The API answered ${api.status}.`,
    tripsMs: [...health.value.tripsMs, api.elapsedMs].slice(-REMEMBERED),
  };
}
