// How the server is: one sentence, then what it rests on.

import { CheckCard } from "../parts/check";
import { Trips } from "../parts/trips";
import { span } from "../parts/units";
import { type Health, useHealth } from "../health";
import { at } from "../router";
import { email } from "../session";

export function Status() {
  const health = useHealth();
  return (
    <section>
      <Headline health={health} />
      <dl class="facts">
        <Fact name="Version" value={health.version || "–"} />
        <Fact name="Up for" value={health.uptimeSeconds === null ? "–" : span(health.uptimeSeconds)} />
        <Fact name="API" value={health.api || "–"} />
        <div>
          <dt>Round trip</dt>
          <dd>
            <Trips tripsMs={health.tripsMs} />
          </dd>
        </div>
      </dl>
      <h2>What it rests on</h2>
      <div class="checks">
        {Object.entries(health.checks).map(([name, check]) => (
          <CheckCard key={name} name={name} check={check} />
        ))}
      </div>
      {Object.keys(health.checks).length === 0 && <p class="hint">No checks reported yet.</p>}
      <Next />
    </section>
  );
}

function Headline({ health }: { health: Health }) {
  const { tone, title, lead } = sentence(health);
  return (
    <div class="headline" data-tone={tone} role="status" aria-live="polite">
      <h1>
        <span class="lamp" aria-hidden="true" />
        {title}
      </h1>
      <p class="lead">{lead}</p>
    </div>
  );
}

function sentence({ state, reachable, checks }: Health) {
  if (!reachable) {
    return { tone: "down", title: "Out of reach", lead: "The server does not answer. This page keeps asking." };
  }
  const troubled = Object.entries(checks).filter(([, check]) => check.status !== "UP");
  const names = troubled.map(([name]) => name).join(", ");
  switch (state) {
    case null:
      return { tone: "unknown", title: "Looking…", lead: "Asking the server how it is." };
    case "UP":
      return { tone: "up", title: "All is well", lead: "The server is ready and every check passes." };
    case "DEGRADED":
      return { tone: "degraded", title: "Working, with trouble", lead: `It answers, but look at: ${names || "its checks"}.` };
    case "DOWN":
      return { tone: "down", title: "Not ready", lead: `It takes no work at the moment${names ? `: ${names}` : ""}.` };
  }
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Next() {
  return (
    <>
      <h2>Where to go</h2>
      <ul class="ways">
        <li>
          <a href="/">The site</a>
          <span>what your visitors see</span>
        </li>
        <li>
          <a href="/metrics">Metrics</a>
          <span>for Prometheus</span>
        </li>
        <li>
          <a href={at("docs")}>Reference</a>
          <span>settings and commands</span>
        </li>
        {!email.value && (
          <li>
            <a href={at("sign-in")}>Sign in</a>
            <span>as a superuser</span>
          </li>
        )}
      </ul>
    </>
  );
}
