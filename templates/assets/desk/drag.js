// Rows of a grid follow the pointer, live. Escape puts them back.

/** How near to an end of the window the page begins to scroll, in pixels. */
const EDGE = 70;

/** Drags `rows`, whose elements are `parts`, among the `others` of a body; `dropped` is told if they stand elsewhere then. */
export function dragRows(body, start, rows, parts, others, dropped) {
  if (start.button !== 0) return;
  start.preventDefault();
  const before = [...body.children];
  const follow = ({ clientY }) => {
    if (clientY < EDGE * 2) scrollBy(0, -12);
    else if (clientY > innerHeight - EDGE) scrollBy(0, 12);
    const below = others.find((other) => {
      const box = other.getBoundingClientRect();
      return clientY < box.top + box.height / 2;
    });
    if (below) {
      if (below.previousElementSibling !== parts.at(-1)) below.before(...parts);
      return;
    }
    // Behind the last of the others, and what hangs below it.
    let end = others.at(-1);
    while (end?.nextElementSibling && !end.nextElementSibling.hidden && !end.nextElementSibling.hasAttribute("data-row")) end = end.nextElementSibling;
    if (end && end.nextElementSibling !== parts[0]) end.after(...parts);
  };
  const end = (drop) => {
    body.removeEventListener("pointermove", follow);
    body.removeEventListener("lostpointercapture", release);
    document.removeEventListener("keydown", escape, true);
    body.classList.remove("dragging");
    for (const row of rows) row.classList.remove("dragged");
    if (!drop) body.append(...before);
    else if (before.some((part, at) => body.children[at] !== part)) dropped();
  };
  const release = () => end(true);
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    end(false);
  };
  // The body stays where it is while the rows in it move.
  body.setPointerCapture(start.pointerId);
  body.addEventListener("pointermove", follow);
  body.addEventListener("lostpointercapture", release);
  document.addEventListener("keydown", escape, true);
  body.classList.add("dragging");
  for (const row of rows) row.classList.add("dragged");
}
