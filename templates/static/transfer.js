// Counting what goes into a box or comes out of it, on the phone itself: quick, and nothing is lost
// when the page is loaded again. Everything works without this file too.
(() => {
  const form = document.getElementById("goods");
  if (!form) return;
  const input = form.elements.code;
  const problem = document.getElementById("problem");
  const rows = [...form.querySelectorAll("[data-line]")];
  const numbers = [...form.querySelectorAll("input[type=number]")];
  const good = (row) => row.querySelector("[name^=good_]");
  const units = (field) => Math.max(Math.trunc(Number(field.value)) || 0, 0);
  const store = (() => { try { return window.sessionStorage; } catch { return null; } })();
  const key = `transfer:${form.dataset.transfer}`;

  if (matchMedia("(pointer: coarse)").matches) {
    input.inputMode = "none";
    input.addEventListener("pointerdown", () => { input.inputMode = "text"; });
    input.addEventListener("blur", () => { input.inputMode = "none"; });
  }

  const show = () => {
    const counted = numbers.reduce((sum, field) => sum + units(field), 0);
    const bar = form.querySelector("progress");
    bar.value = counted;
    document.getElementById("tally").textContent = `${counted} of ${bar.max}`;
    document.getElementById("count").textContent = counted;
    for (const row of rows) {
      const here = [...row.querySelectorAll("input[type=number]")].reduce((sum, field) => sum + units(field), 0);
      const expected = Number(row.dataset.expected);
      row.classList.toggle("full", expected > 0 && here === expected);
      row.classList.toggle("over", here > expected);
    }
    store?.setItem(key, JSON.stringify(Object.fromEntries(numbers.map((field) => [field.name, units(field)]))));
  };
  const complain = (words) => {
    problem.textContent = words;
    problem.hidden = !words;
    if (words) { problem.scrollIntoView({ block: "center" }); navigator.vibrate?.([120, 60, 120]); }
  };
  const bare = (code) => code.toLowerCase().replace(/^0+/, "");
  const find = (code) => rows.find((row) => {
    const codes = row.dataset.codes.split(" ");
    return codes.includes(code.toLowerCase()) || codes.includes(bare(code));
  });

  const scan = () => {
    const code = input.value.trim();
    input.value = "";
    input.focus({ preventScroll: true });
    if (!code) return;
    const row = find(code);
    if (!row) { complain(`${code} is not in this transfer. Put it aside.`); return; }
    complain("");
    good(row).value = units(good(row)) + 1;
    row.classList.add("just");
    row.scrollIntoView({ block: "nearest" });
    setTimeout(() => row.classList.remove("just"), 900);
    show();
  };

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();  // Enter counts; only the button books
    if (event.target === input) scan();
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.step) {
      const field = good(button.closest("[data-line]"));
      field.value = Math.max(units(field) + Number(button.dataset.step), 0);
      show();
    } else if (button?.value === "scan") {
      event.preventDefault();
      scan();
    } else if (button?.value === "fill") {
      event.preventDefault();
      for (const row of rows) {
        const damaged = row.querySelector("[name^=damaged_]");
        good(row).value = Math.max(Number(row.dataset.expected) - (damaged ? units(damaged) : 0), 0);
      }
      show();
    }
  });
  form.addEventListener("input", (event) => { if (event.target !== input) show(); });
  form.addEventListener("focusin", (event) => { if (event.target.type === "number") event.target.select(); });
  form.addEventListener("submit", () => store?.removeItem(key));
  document.addEventListener("keydown", (event) => {
    // A scanner types: what it types belongs into the field wherever the focus is.
    const field = document.activeElement?.closest("input, select, textarea");
    if (!field && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ") input.focus({ preventScroll: true });
  });

  if (problem.hidden) {
    const kept = JSON.parse(store?.getItem(key) ?? "{}");
    for (const field of numbers) if (kept[field.name]) field.value = kept[field.name];
  }
  show();
})();
