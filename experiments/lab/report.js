// Comfort only: copy buttons, and tables that sort and filter. The page says the same without it.
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

  for (const box of document.querySelectorAll(".sortable")) {
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const headings = [...table.tHead.rows[0].cells];
    const entries = []; // each a row and, where it has one, the row of more that belongs to it
    for (const row of body.rows) row.classList.contains("more") ? entries.at(-1).push(row) : entries.push([row]);

    const sort = (column) => {
      const heading = headings[column];
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const numeric = heading.classList.contains("n");
      const value = ([row]) => {
        const text = row.cells[column].textContent;
        return numeric ? parseFloat(text.replace("inf", "Infinity")) : text;
      };
      const compare = (a, b) => {
        if (!numeric) return sign * a.localeCompare(b);
        return Number.isNaN(a) - Number.isNaN(b) || sign * (a < b ? -1 : a > b ? 1 : 0); // what is no number goes last
      };
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      entries.sort((a, b) => compare(value(a), value(b)));
      body.append(...entries.flat());
    };
    headings.forEach((heading, column) => heading.replaceChildren(button(heading.textContent, () => sort(column))));

    const filter = box.querySelector(".filter");
    const words = filter.querySelector("input");
    const verdict = filter.querySelector("select");
    const output = filter.querySelector("output");
    const narrow = () => {
      const wanted = words.value.toLowerCase().split(/\s+/);
      let shown = 0;
      for (const rows of entries) {
        const text = rows.map((row) => row.textContent).join(" ").toLowerCase();
        const fits = !verdict.value || rows[0].querySelector("td.verdict").textContent === verdict.value;
        const hidden = !(fits && wanted.every((word) => text.includes(word)));
        for (const row of rows) row.hidden = hidden;
        shown += !hidden;
      }
      output.textContent = `${shown} of ${entries.length} ${output.dataset.rows}`;
    };
    words.addEventListener("input", narrow);
    verdict.addEventListener("change", narrow);
    addEventListener("click", (event) => {
      const link = event.target.closest('a[href^="#"]');
      const row = link && document.getElementById(link.hash.slice(1));
      if (!row || !row.hidden || !body.contains(row)) return;
      words.value = verdict.value = ""; // a link to a row that the filter hides shows all rows
      narrow();
    });
    filter.hidden = false;
    narrow();
  }
})();
