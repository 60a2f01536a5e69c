// The last round trips to the server, as a figure and a line.

import { milliseconds } from "./units";

const WIDTH = 120;
const HEIGHT = 24;

export function Trips({ tripsMs }: { tripsMs: number[] }) {
  const last = tripsMs.at(-1);
  if (last === undefined) return <>–</>;
  return (
    <span class="trips">
      {milliseconds(last)}
      {tripsMs.length > 1 && (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" preserveAspectRatio="none">
          <polyline points={line(tripsMs)} />
        </svg>
      )}
    </span>
  );
}

function line(tripsMs: number[]): string {
  const most = Math.max(...tripsMs);
  const step = WIDTH / (tripsMs.length - 1);
  return tripsMs
    .map((trip, index) => `${(index * step).toFixed(1)},${(HEIGHT - 2 - (trip / most) * (HEIGHT - 4)).toFixed(1)}`)
    .join(" ");
}
