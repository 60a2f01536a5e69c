// One check of `/health/ready`: its name, its state, and whatever it tells.

import type { Check } from "../health";
import { bytes } from "./units";

/** What a check is called on the page, where its name alone would not say. */
const TITLES: Record<string, string> = { database: "Store", cache: "Cache", disk: "Disk", memory: "Memory" };

export function CheckCard({ name, check }: { name: string; check: Check }) {
  const details = typeof check.details === "object" && check.details ? check.details : {};
  const percent = typeof details["percent"] === "number" ? details["percent"] : null;
  const title = TITLES[name] ?? name;
  return (
    <article class="card check" data-tone={check.status.toLowerCase()}>
      <h3>
        {title}
        <span class="badge">{check.status}</span>
      </h3>
      {check.error && <p class="problem">{check.error}</p>}
      {typeof check.details === "string" && <p>{check.details}</p>}
      {percent !== null && (
        <meter min={0} max={100} high={90} optimum={0} value={percent} aria-label={`${title}: used`}>
          {percent} %
        </meter>
      )}
      <dl>
        {Object.entries(details).map(([key, value]) => (
          <div key={key}>
            <dt>{key.replace(/_bytes$/, "").replaceAll("_", " ")}</dt>
            <dd>{shown(key, value)}</dd>
          </div>
        ))}
      </dl>
    </article>
  );
}

function shown(key: string, value: unknown): string {
  if (key === "percent" && typeof value === "number") return `${value.toFixed(1)} %`;
  if (/^(total|used|free|limit|available)(_bytes)?$|_bytes$/.test(key) && typeof value === "number") return bytes(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
