// Small helpers for the viewer's own elements.

/** Makes an element inside a parent. */
export function tag(name, attributes, parent) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

const icon = (body) =>
  `<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">${body}</svg>`;

export const ICONS = {
  play: icon('<path d="M6 4l10 6-10 6z" fill="currentColor"/>'),
  pause: icon('<path d="M7 4.5v11M13 4.5v11" stroke-width="3"/>'),
  reset: icon('<path d="M4 10a6 6 0 1 1 2 4.5M4 16v-3.5h3.5"/>'),
  fit: icon('<path d="M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4"/><circle cx="10" cy="10" r="2.6"/>'),
  side: icon('<path d="M10 3v14M3 10c0-2 3-3.5 7-3.5s7 1.5 7 3.5-3 3.5-7 3.5c-1 0-2-.1-3-.3M9 11l-2.2 2.2L9 15.4"/>'),
  full: icon('<path d="M12 3h5v5M8 17H3v-5M17 3l-5.5 5.5M3 17l5.5-5.5"/>'),
  back: icon('<path d="M12.5 4.5L7 10l5.5 5.5"/>'),
  next: icon('<path d="M7.5 4.5L13 10l-5.5 5.5"/>'),
};

/** A button with an icon, named for screen readers and on hover. */
export function button(icon, label, onClick, parent, key) {
  const made = tag("button", { type: "button", "aria-label": label, title: key ? `${label} (${key})` : label }, parent);
  made.innerHTML = icon;
  made.addEventListener("click", onClick);
  return made;
}

/** A button that is on or off. */
export function toggle(label, key, onChange, parent) {
  const made = tag("button", { type: "button", class: "viewer-toggle", "aria-pressed": "false", title: `${label} (${key})` }, parent);
  made.textContent = label;
  made.addEventListener("click", () => onChange(made.getAttribute("aria-pressed") !== "true"));
  return made;
}

let groups = 0;

/** One choice of several, as a row of radio buttons that looks like one control. */
export function choice(label, options, onChange, parent) {
  const root = tag("fieldset", { class: "viewer-choice" }, parent);
  tag("legend", {}, root).textContent = label;
  const row = tag("div", { class: "viewer-segments" }, root);
  const name = `viewer-choice-${groups++}`;
  const inputs = new Map();
  for (const [value, text] of options) {
    const holder = tag("label", {}, row);
    const input = tag("input", { type: "radio", name, value }, holder);
    tag("span", {}, holder).textContent = text;
    input.addEventListener("change", () => onChange(value));
    inputs.set(String(value), { input, holder });
  }
  return {
    root,
    set(value) {
      const chosen = inputs.get(String(value));
      if (chosen) chosen.input.checked = true;
    },
    offer(value, offered) {
      inputs.get(String(value)).holder.hidden = !offered;
    },
  };
}
