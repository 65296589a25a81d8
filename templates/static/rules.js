// A rule's form: numbers beside sliders, and what the rule says and matches while it is filled in.
// Everything works without this file: the button Count asks for the same.
(() => {
  const form = document.getElementById("rule-form");
  if (!form) return;
  const one = (name, within = form) => within.querySelector(`[data-live-${name}]`);

  // --- what it says and matches, asked of the server ---
  let timer, last = 0;
  const show = (told) => {
    one("preview").textContent = told.preview;
    one("count").textContent = told.count;
    one("examples").replaceChildren(...told.examples.flatMap((order) => {
      const link = Object.assign(document.createElement("a"), { className: "oms-link", href: order.url, textContent: order.number });
      return [link, " "];
    }));
    for (const [name, factor] of Object.entries(told.factors)) {
      const part = form.querySelector(`[data-factor="${name}"]`);
      one("words", part).textContent = factor.words;
      one("counts", part).textContent = factor.counts;
    }
  };
  const ask = async () => {
    const mine = ++last;
    const body = new FormData(form);
    body.set("step", "count");
    try {
      const answer = await fetch(location.href, { method: "POST", body, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      const told = await answer.json();
      if (mine === last) show(told);
    } catch {
      if (mine === last) one("count").textContent = "Cannot be counted now.";
    }
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(ask, 350); };
  form.addEventListener("input", later);
  form.addEventListener("change", later);

  // --- sliders ---
  form.addEventListener("input", ({ target }) => {
    if (target.type === "range") target.parentElement.querySelector("output").textContent = Number(target.value);
  });

  // --- long lists of choices ---
  for (const search of form.querySelectorAll(".rule-search")) {
    const options = [...search.parentElement.querySelectorAll("label")];
    search.hidden = false;
    search.addEventListener("input", (event) => {
      event.stopPropagation();
      const wanted = search.value.trim().toLowerCase();
      for (const option of options) option.hidden = !option.textContent.toLowerCase().includes(wanted);
    });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  }

  // --- criteria change places by button, so by keyboard too ---
  const rows = [...form.querySelectorAll("[data-sorts] > li")];
  const swap = (from, to) => {
    const [a, b] = [rows[from].querySelector("select"), rows[to].querySelector("select")];
    [a.value, b.value] = [b.value, a.value];
    rows[to].querySelector(from < to ? "[data-move=down]" : "[data-move=up]").focus();
    later();
  };
  rows.forEach((row, i) => {
    const place = row.querySelector(".rule-sort");
    for (const [word, sign, to] of [["up", "↑", i - 1], ["down", "↓", i + 1]]) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "oms-button", textContent: sign, disabled: !rows[to] });
      button.dataset.move = word;
      button.setAttribute("aria-label", `Move criterion ${i + 1} ${word}`);
      button.addEventListener("click", () => swap(i, to));
      place.append(button);
    }
  });
})();
