// Store pages: keeps the scanner's input ready. Everything works without this file.
(() => {
  document.documentElement.classList.add("js");

  const choice = document.querySelector("[data-switch] select");
  choice?.addEventListener("change", () => choice.form.submit());

  // A second tap on a button of a form that is on its way does nothing.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id === "scan") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  });

  // Times that run out. The server says how many seconds are left: this clock may be wrong.
  const ends = new WeakMap();
  const inWords = (seconds) => {
    if (seconds <= 0) return "time is up";
    const minutes = Math.floor(seconds / 60);
    if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    return `${minutes}:${String(seconds % 60).padStart(2, "0")} left`;
  };
  const countDown = () => {
    for (const left of document.querySelectorAll("[data-left]")) {
      if (!ends.has(left)) ends.set(left, performance.now() + Number(left.dataset.left) * 1000);
      const seconds = Math.max(0, Math.round((ends.get(left) - performance.now()) / 1000));
      left.textContent = inWords(seconds);
      if (seconds < 300) left.closest(".answer")?.classList.replace("warn", "bad");
    }
  };
  countDown();
  setInterval(countDown, 1000);

  const scan = document.getElementById("scan");
  if (!scan) return;
  const work = document.getElementById("work");
  const input = scan.elements.code;
  const token = scan.elements.token;

  // On a touch screen the keyboard would cover the page: it comes when the field is tapped.
  if (matchMedia("(pointer: coarse)").matches) {
    input.inputMode = "none";
    input.addEventListener("pointerdown", () => { input.inputMode = "text"; });
    input.addEventListener("blur", () => { input.inputMode = "none"; });
  }
  const busy = "input, select, textarea, button, a, summary, label, dialog";
  const listen = () => { if (!scan.hidden && !work.querySelector("details[open]")) input.focus({ preventScroll: true }); };
  document.addEventListener("click", (event) => { if (!event.target.closest(busy)) listen(); });
  document.addEventListener("keydown", (event) => {
    // A scanner types: what it types belongs into the field wherever the focus is.
    const field = document.activeElement?.closest("input, select, textarea");
    if (!field && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ") listen();
  });

  let before = new Map();
  const counts = () => new Map([...work.querySelectorAll("[data-line]")].map((li) => [li.dataset.line, li.dataset.picked]));

  scan.addEventListener("submit", (event) => {
    if (!input.value.trim()) { event.preventDefault(); event.stopImmediatePropagation(); input.focus(); }
  }, true);
  scan.addEventListener("htmx:config:request", () => {
    // What was scanned is in the request now; the next scan may come before the answer does.
    before = counts();
    input.value = "";
    token.value = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    listen();
  });
  document.addEventListener("htmx:after:swap", () => {
    const job = work.querySelector(".job");
    const wrong = work.querySelector("[data-error]");
    scan.hidden = job?.dataset.state !== "accepted";
    if (wrong) {
      job.scrollIntoView({ block: "start" });
      navigator.vibrate?.([120, 60, 120]);
    }
    for (const [line, picked] of counts()) {
      if (before.has(line) && before.get(line) !== picked) flash(work.querySelector(`[data-line="${line}"]`));
    }
    before = counts();
    if (scan.hidden) work.querySelector(".dock button")?.focus({ preventScroll: true });
    else listen();
  });
  document.addEventListener("htmx:error", () => {
    alert("The network did not answer. Look at the count, then scan again.");
  });
  const flash = (item) => {
    item.classList.add("just");
    item.scrollIntoView({ block: "nearest" });
    setTimeout(() => item.classList.remove("just"), 900);
  };
  listen();
})();
