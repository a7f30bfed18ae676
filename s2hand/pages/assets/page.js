// What every page does besides 3D: colour scheme, lists that are searched, sorted and filtered, details of
// what is looked at, dialogs and copying. Nothing here loads anything.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Colour scheme: the system's, until the reader chooses.
  document.querySelector("[data-scheme-switch]")?.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = getComputedStyle(root).getPropertyValue("--is-dark").trim() === "1";
    root.dataset.scheme = dark ? "light" : "dark";
    try { localStorage.setItem("s2hand-scheme", root.dataset.scheme); } catch { /* a private window keeps nothing */ }
  });

  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  // Lists: entries carry data-search (lower case) and further data attributes.
  const numeric = new Intl.Collator("en", { numeric: true });
  for (const controls of all("[data-controls]")) {
    const list = document.getElementById(controls.dataset.controls);
    const items = all("[data-item]", list);
    const find = controls.querySelector("[data-find]");
    const order = controls.querySelector("[data-order]");
    const filters = all("[data-filter]", controls);
    const least = controls.querySelector("[data-least]");
    const count = controls.querySelector("[data-count]");
    const headers = all(`[data-sorts="${list.id}"] button[data-key]`);

    const sort = (key, down) => {
      const value = (item) => item.dataset[key] ?? "";
      items.sort((a, b) => {
        if (!value(a) || !value(b)) return Number(!value(a)) - Number(!value(b)); // unknown ones last
        return (down ? -1 : 1) * numeric.compare(value(a), value(b));
      });
      list.append(...items);
    };
    const show = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const hit = words.every((word) => item.dataset.search.includes(word))
          && filters.every((filter) => !filter.value || item.dataset[filter.dataset.filter] === filter.value)
          && (!least || !(Number(item.dataset[least.dataset.least]) < Number(least.value)));
        item.hidden = !hit;
        shown += hit;
      }
      count.textContent = shown === items.length ? `all ${shown}` : `${shown} of ${items.length}`;
      list.toggleAttribute("data-nothing", !shown);
    };
    find.addEventListener("input", show);
    for (const filter of filters) filter.addEventListener("change", show);
    least?.addEventListener("input", () => {
      least.nextElementSibling.textContent = Number(least.value).toFixed(2);
      show();
    });
    order?.addEventListener("change", () => sort(order.value.replace(/-$/, ""), order.value.endsWith("-")));
    for (const header of headers) {
      header.addEventListener("click", () => {
        const cell = header.closest("th");
        const down = cell.getAttribute("aria-sort") === "ascending";
        for (const other of headers) other.closest("th").removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(header.dataset.key, down);
      });
    }
    // A bar of a chart that stands for a value of a filter sets it.
    for (const button of all(`[data-sets-filter][data-of="${list.id}"]`)) {
      const filter = filters.find((one) => one.dataset.filter === button.dataset.setsFilter);
      button.addEventListener("click", () => {
        filter.value = filter.value === button.dataset.value ? "" : button.dataset.value;
        filter.dispatchEvent(new Event("change"));
      });
      filter.addEventListener("change", () => button.setAttribute("aria-pressed", String(filter.value === button.dataset.value)));
    }
  }

  // The viewer and the panel beside it.
  const visible = (element) => element.offsetParent !== null;
  const viewer = document.querySelector("[data-viewer]");
  const openers = () => {
    const list = document.querySelector("[data-list]");
    const buttons = all("[data-open]", list || document);
    const shown = buttons.filter(visible);
    const once = new Map((shown.length ? shown : buttons).map((button) => [button.dataset.open, button]));
    return [...once.values()];
  };
  let current = null;
  const open = (id, scroll) => {
    current = id;
    const buttons = openers();
    const position = buttons.findIndex((button) => button.dataset.open === id) + 1;
    for (const button of all("[data-open]")) button.toggleAttribute("aria-current", button.dataset.open === id);
    const panel = document.querySelector("[data-detail]");
    const detail = document.querySelector(`[data-detail-of="${CSS.escape(id)}"]`);
    if (panel && detail) panel.innerHTML = detail.innerHTML;
    document.dispatchEvent(new CustomEvent("s2hand:open", { detail: { id, position, count: buttons.length } }));
    if (scroll) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      viewer.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
    }
  };
  if (viewer) {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-open]");
      if (button) open(button.dataset.open, true);
    });
    document.addEventListener("s2hand:step", (event) => {
      const buttons = openers();
      const at = buttons.findIndex((button) => button.dataset.open === current);
      open(buttons[(at + event.detail + buttons.length) % buttons.length].dataset.open, false);
    });
    document.addEventListener("s2hand:ready", () => {
      const first = document.querySelector("[data-open][data-first]") || openers()[0];
      if (first) open(first.dataset.open, false);
    });
  }

  // Dialogs: data-dialog names a template whose content is shown.
  const dialog = document.querySelector("dialog");
  if (dialog) {
    const body = dialog.querySelector("[data-body]");
    let shown = null;
    const items = () => all("[data-dialog]").filter(visible);
    const show = (button) => {
      shown = button;
      body.replaceChildren(document.getElementById(button.dataset.dialog).content.cloneNode(true));
      for (const copy of all("[data-image-of]", body)) copy.src = document.getElementById(copy.dataset.imageOf).src;
      if (!dialog.open) dialog.showModal();
      body.scrollTop = 0;
    };
    const step = (by) => {
      const buttons = items();
      show(buttons[(buttons.indexOf(shown) + by + buttons.length) % buttons.length]);
    };
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-dialog]");
      if (button) show(button);
      if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
      const by = event.target.closest("[data-step]");
      if (by) step(Number(by.dataset.step));
    });
    dialog.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by && !event.target.matches("input")) step(by);
    });
    dialog.addEventListener("close", () => shown?.focus());
  }
})();
