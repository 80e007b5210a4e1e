"use strict";
// All of the page is there without this script: it filters, sorts, copies, and opens what is folded for the printer.
(() => {
  const every = (selector, within = document) => [...within.querySelectorAll(selector)];
  const button = (text, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => action(made));
    return made;
  };

  const filter = document.querySelector(".filter");
  const name = document.getElementById("filter-name");
  const count = document.getElementById("filter-count");
  const rows = every(".matrix tbody tr");
  const show = () => {
    const wanted = name.value.trim().toLowerCase();
    const states = new Set(every("input[name=state]:checked").map((box) => box.value));
    const shown = new Set(
      rows
        .filter((row) => states.has(row.dataset.state) && row.dataset.find.includes(wanted))
        .map((row) => row.dataset.project),
    );
    for (const part of every("[data-project]")) part.hidden = !shown.has(part.dataset.project);
    for (const group of every(".group")) group.hidden = !every("tbody tr:not([hidden])", group).length;
    count.textContent = `${shown.size} of ${rows.length} shown`;
  };
  filter.addEventListener("input", show);
  filter.hidden = false;
  // A browser keeps what was typed when a page is loaded again.
  show();

  const order = new Intl.Collator(undefined, { numeric: true });
  const sort = (head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of every("[aria-sort]", head.parentElement)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = head.closest("table").tBodies[0];
    const value = (row) => row.cells[head.cellIndex].dataset.value;
    const sorted = [...body.rows].sort((one, other) => {
      const numbers = Number(value(one)) - Number(value(other));
      return Number.isNaN(numbers) ? order.compare(value(one), value(other)) : numbers;
    });
    body.append(...(down ? sorted.reverse() : sorted));
  };
  for (const head of every("[data-sort]")) {
    const text = head.textContent;
    head.replaceChildren(button(text, () => sort(head)));
  }

  for (const [number, command] of every("[data-copy]").entries()) {
    command.id = `command-${number}`;
    const copy = async (made) => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        made.textContent = "Copied";
      } catch {
        // Pages that came over plain http may not write there: it is selected, for Ctrl-C.
        getSelection().selectAllChildren(command);
        made.textContent = "Selected";
      }
      setTimeout(() => { made.textContent = "Copy"; }, 2000);
    };
    const made = button("Copy", copy);
    made.setAttribute("aria-live", "polite");
    made.setAttribute("aria-describedby", command.id);
    command.after(made);
  }

  const folded = every("details");
  if (folded.length) {
    const unfold = button("Unfold all", (made) => {
      const open = made.textContent === "Unfold all";
      for (const each of folded) each.open = open;
      made.textContent = open ? "Fold all" : "Unfold all";
    });
    document.querySelector("#conflicts h2").after(unfold);
  }
  const opened = [];
  addEventListener("beforeprint", () => {
    opened.push(...folded.filter((each) => !each.open));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened.splice(0)) each.open = false;
  });
})();
