// One record, whole, as the API gives it.

import { useEffect, useRef } from "preact/hooks";
import type { Row } from "../../model";

export function Record({ row, onClose }: { row: Row; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // A modal dialog keeps the keyboard inside, closes on Escape, and gives the focus back.
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="record-title">
      <header>
        <h2 id="record-title">{row.id}</h2>
        <form method="dialog">
          <button type="submit" class="plain">
            Close
          </button>
        </form>
      </header>
      <pre>
        <code>{JSON.stringify(row, null, 2)}</code>
      </pre>
    </dialog>
  );
}
