"use strict";
// Everything on the page can be read without this: it sorts tables, enlarges figures, copies the
// citation, and opens for the printer what is folded.
const button = (text, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
};

const key = (row, at) => {
  const text = row.cells[at].textContent.replace("\u2212", "-").replace(/^[\u2265\u2264]\s*/, "");
  const number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
};

const sort = (table, at, head) => {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const compared = (a, b) => {
    const [one, other] = [key(a, at), key(b, at)];
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    return (up ? 1 : -1) * (typeof one === "number" ? one - other : one.localeCompare(other));
  };
  body.append(...[...body.rows].sort(compared));
};

for (const table of document.querySelectorAll("table")) {
  if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const sorts = button(head.textContent, () => sort(table, at, head));
    sorts.title = "Sort";
    head.replaceChildren(sorts);
  });
}

const large = document.createElement("dialog");
large.setAttribute("aria-label", "Enlarged figure");
document.body.append(large);
for (const paper of document.querySelectorAll(".paper")) {
  const drawing = paper.firstElementChild;
  const show = () => {
    large.replaceChildren(button("Close", () => large.close()), drawing.cloneNode(true));
    large.showModal();
  };
  paper.after(button("Enlarge", show));
  drawing.addEventListener("click", show);
}
large.addEventListener("click", (event) => event.target === large && large.close());

for (const text of document.querySelectorAll("#cite pre")) {
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text.textContent);
    copy.textContent = "Copied";
  });
  text.after(copy);
}

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((details) => (details.open = true));
});
addEventListener("afterprint", () => folded.forEach((details) => (details.open = false)));
