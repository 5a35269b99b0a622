// How somebody left a form: which sections are folded, which tab is open. It is so again in the next form of its kind.

const storage = (action) => { try { return action(localStorage, sessionStorage); } catch { return null; } };

/** Keeps what a person folds and unfolds, and does so again; what needs attention stays open. */
export function rememberFolds(form, context) {
  const key = `folds:${context.user}:${context.doctype}`;
  const kept = storage((local) => JSON.parse(local.getItem(key))) ?? {};
  for (const section of form.querySelectorAll("details[data-section]")) {
    const wanted = kept[section.id];
    if (wanted === true || (wanted === false && !context.new && !section.querySelector(".errors"))) {
      section.open = wanted;
      section.touched = true;
    }
    section.firstElementChild.addEventListener("click", () => {
      section.touched = true;
      // It is told before it happens.
      kept[section.id] = !section.open;
      storage((local) => local.setItem(key, JSON.stringify(kept)));
    });
  }
}

/** The tab that was open in the last form of a DocType, if this browser's tab has shown one; and the way to keep it. */
export function rememberTab(context) {
  const key = `tab:${context.doctype}`;
  return {
    last: context.new ? null : storage((_, tab) => tab.getItem(key)),
    keep: (id) => storage((_, tab) => tab.setItem(key, id)),
  };
}
