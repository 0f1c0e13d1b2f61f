// Comfort only: copy buttons, sortable claims, a filter. The page says the same without it.
(() => {
  "use strict";
  const button = (text, action) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.addEventListener("click", action);
    return made;
  };

  for (const block of document.querySelectorAll(".command")) {
    const text = block.querySelector("pre");
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text); // no clipboard here: leave it one key away
        copy.textContent = "Selected";
      }
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    copy.setAttribute("aria-live", "polite");
    block.append(copy);
  }

  const table = document.querySelector("#claims table");
  if (!table) return;
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];

  const sort = (column) => {
    const heading = headings[column];
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const numeric = heading.classList.contains("n");
    const value = (row) => {
      const text = row.cells[column].textContent;
      return numeric ? parseFloat(text.replace("inf", "Infinity")) : text;
    };
    const compare = (a, b) => {
      if (!numeric) return sign * a.localeCompare(b);
      return Number.isNaN(a) - Number.isNaN(b) || sign * (a < b ? -1 : a > b ? 1 : 0); // what is no number goes last
    };
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b))));
  };
  headings.forEach((heading, column) => heading.replaceChildren(button(heading.textContent, () => sort(column))));

  const filter = document.querySelector("#claims .filter");
  const input = filter.querySelector("input");
  const narrow = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    const shown = [...body.rows].filter((row) => !row.hidden).length;
    filter.querySelector("output").textContent = `${shown} of ${body.rows.length} claims`;
  };
  input.addEventListener("input", narrow);
  addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#claim-"]');
    if (!link || !document.getElementById(link.hash.slice(1)).hidden) return;
    input.value = ""; // a link to a row that the filter hides shows all rows
    narrow();
  });
  filter.hidden = false;
  narrow();
})();
