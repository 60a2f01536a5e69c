// What the console says about a place it does not have.

import { at, place } from "../router";

export function Missing() {
  return (
    <section class="narrow">
      <h1>Nothing here</h1>
      <p>
        The console has no page at <code>{place.value}</code>. <a href={at("")}>To the status page</a>
      </p>
    </section>
  );
}
