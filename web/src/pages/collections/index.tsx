// Collections: the list of them, or one with its records.

import { at, place } from "../../router";
import { email } from "../../session";
import { List } from "./list";
import { Records } from "./records";

export function Collections() {
  const name = place.value.split("/")[1];
  if (!email.value) {
    return (
      <section class="narrow">
        <h1>Collections</h1>
        <p class="lead">
          Only superusers may look at them. <a href={at("sign-in")}>Sign in</a>
        </p>
      </section>
    );
  }
  return name ? <Records name={decodeURIComponent(name)} key={name} /> : <List />;
}
