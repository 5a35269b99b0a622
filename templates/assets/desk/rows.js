// What grids and chips share: icons, buttons, and a row copied from the template.

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/assets/desk/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button that is an icon; `label` is what it does. */
export function tool(name, label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "icon-button";
  button.title = label;
  button.setAttribute("aria-label", label);
  button.dataset.tool = name;
  button.append(icon(name));
  button.addEventListener("click", act);
  return button;
}

/** A small button with words, and an icon if there is one. */
export function button(label, iconName, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button small";
  if (iconName) made.append(icon(iconName));
  made.append(label);
  made.addEventListener("click", act);
  return made;
}

/** A row copied from the template, with its number in every name and id. */
export function freshRow(table, index) {
  const fragment = table.querySelector("template[data-blank-row]").content.cloneNode(true);
  for (const element of fragment.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      if (value.includes("__idx__")) element.setAttribute(name, value.replaceAll("__idx__", index));
    }
  }
  return fragment;
}
