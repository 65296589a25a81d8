// Counting on a phone: figures are kept here until the server has them. Works offline; everything
// works without this file too.
(() => {
  const scan = document.getElementById("figure");
  if (!scan) return;
  const list = document.getElementById("items");
  const input = scan.elements.code;
  const problem = document.getElementById("problem");
  const waiting = document.getElementById("waiting");
  const key = `count:${scan.dataset.section}`;
  // The clock of a phone may be wrong: what was counted when is said by the server's.
  const drift = Date.parse(scan.dataset.now) - Date.now();
  const now = () => new Date(Date.now() + (Math.abs(drift) > 3000 ? drift : 0)).toISOString();
  const store = (() => { try { return window.localStorage; } catch { return null; } })();

  // What was not sent yet: code -> {found, counted_at}. The newest figure of a code replaces older.
  const pending = new Map(Object.entries(JSON.parse(store?.getItem(key) ?? "{}")));
  let sending = false;
  let timer = 0;
  let offline = false;

  const bare = (code) => code.replace(/^0+/, "");
  const rows = () => [...list.children];
  const find = (code) => rows().find((li) => li.dataset.sku.toLowerCase() === code.toLowerCase()
    || (li.dataset.gtin && /^\d+$/.test(code) && bare(li.dataset.gtin) === bare(code)));
  const field = (li) => li.querySelector("input[name=found]");
  const figure = (li) => (field(li).value === "" ? 0 : Number(field(li).value));

  const keep = () => {
    store?.setItem(key, JSON.stringify(Object.fromEntries(pending)));
    waiting.hidden = !(offline && pending.size);
    waiting.textContent = `No network. ${pending.size} figure${pending.size === 1 ? " is" : "s are"} kept on this phone and sent when it is back.`;
    const counted = rows().filter((li) => field(li).value !== "").length;
    document.getElementById("tally").textContent = `${counted} counted`;
    document.getElementById("none").hidden = rows().length > 0;
  };
  const complain = (words) => {
    problem.textContent = words;
    problem.hidden = !words;
    if (words) { problem.scrollIntoView({ block: "center" }); navigator.vibrate?.([120, 60, 120]); }
  };

  const make = (code) => {
    const li = document.getElementById("row").content.firstElementChild.cloneNode(true);
    list.prepend(li);
    describe(li, { sku: code, gtin: "", name: code, variant: "" });
    li.dataset.guess = "yes";
    return li;
  };
  const describe = (li, product) => {
    li.dataset.sku = product.sku;
    li.dataset.gtin = product.gtin;
    li.querySelector(".name span").textContent = product.name;
    li.querySelector(".mono").textContent = product.sku;
    const variant = li.querySelector(".variant");
    variant.textContent = product.variant;
    variant.hidden = !product.variant;
    field(li).setAttribute("aria-label", `${product.name}: units here`);
  };

  const set = (li, units) => {
    const found = Math.min(Math.max(Math.trunc(units) || 0, 0), 1000000);
    field(li).value = field(li).defaultValue = found;
    li.classList.add("full");
    pending.set(li.dataset.sku, { found, counted_at: now() });
    keep();
    clearTimeout(timer);
    timer = setTimeout(send, 300);
  };
  const flash = (li) => {
    li.classList.add("just");
    li.scrollIntoView({ block: "nearest" });
    setTimeout(() => li.classList.remove("just"), 900);
  };

  const settle = (code, sent, answer) => {
    const li = find(code);
    if (pending.get(code)?.counted_at === sent.counted_at) pending.delete(code);
    if (!li) return;
    if (answer.result === "failed") {
      if (li.dataset.guess) li.remove();
      complain(`${code}: ${answer.words}.`);
      return;
    }
    if (!li.dataset.guess) return;
    const same = rows().find((other) => other !== li && other.dataset.sku === answer.sku);
    const newer = pending.get(code);
    pending.delete(code);
    if (same) {  // its barcode and its SKU were both scanned before we knew that they are one
      li.remove();
      set(same, figure(same) + (newer ?? sent).found);
    } else {
      describe(li, answer);
      delete li.dataset.guess;
      if (newer) set(li, newer.found);
    }
  };

  const send = async () => {
    if (sending || !pending.size) return;
    sending = true;
    const batch = [...pending].slice(0, 500);
    try {
      const answer = await fetch(scan.action, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": scan.elements.csrfmiddlewaretoken.value },
        body: JSON.stringify({ rows: batch.map(([code, one]) => ({ code, ...one })) }),
      });
      offline = false;
      if (answer.redirected || answer.status === 403) {
        complain("You were signed out. Sign in again: your figures are kept on this phone.");
      } else if (answer.status === 409 || answer.status === 404 || answer.status === 400) {
        const said = await answer.json().catch(() => ({}));
        complain(`${said.words ?? "This count is gone."} ${pending.size} figure${pending.size === 1 ? " was" : "s were"} not taken.`);
      } else if (answer.ok) {
        const { rows: answers } = await answer.json();
        batch.forEach(([code, one], i) => settle(code, one, answers[i]));
        if (pending.size) setTimeout(send, 0);
      } else {
        throw new Error(answer.status);
      }
    } catch {
      offline = true;
      setTimeout(send, 4000);
    } finally {
      sending = false;
      keep();
    }
  };

  scan.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    const code = input.value.trim();
    input.value = "";
    if (!code) return input.focus();
    count(code);
  }, true);
  // A scanner types into the field that has the focus: seven digits are a barcode, not a figure.
  const isCode = (value) => value.length > 6;
  const count = (code) => {
    complain("");
    const li = find(code) ?? make(code);
    set(li, figure(li) + 1);
    flash(li);
  };
  list.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    const li = event.target.closest("li");
    const typed = field(li).value;
    input.focus({ preventScroll: true });
    if (isCode(typed)) {
      field(li).value = field(li).defaultValue;
      return count(typed);
    }
    const step = event.submitter?.classList;
    if (step?.contains("more")) set(li, figure(li) + 1);
    else if (step?.contains("less")) set(li, figure(li) - 1);
    else set(li, figure(li));
  }, true);
  list.addEventListener("change", (event) => {
    const li = event.target.closest("li");
    if (event.target.value !== "" && !isCode(event.target.value)) set(li, figure(li));
  });
  list.addEventListener("focusin", (event) => { if (event.target.name === "found") event.target.select?.(); });
  document.getElementById("done").addEventListener("submit", (event) => {
    if (!pending.size) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    complain(offline ? "Your last figures are still on this phone. Go where there is a network, then try again."
      : "Your last figures are on their way. Try again in a second.");
    send();
  }, true);

  // On a touch screen the keyboard would cover the page: it comes when the field is tapped.
  if (matchMedia("(pointer: coarse)").matches) {
    input.inputMode = "none";
    input.addEventListener("pointerdown", () => { input.inputMode = "text"; });
    input.addEventListener("blur", () => { input.inputMode = "none"; });
  }
  document.addEventListener("keydown", (event) => {
    // A scanner types: what it types belongs into the field wherever the focus is.
    const typing = document.activeElement?.closest("input");
    if (!typing && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ") input.focus({ preventScroll: true });
  });
  addEventListener("online", send);

  for (const [code, one] of pending) field(find(code) ?? make(code)).value = one.found;
  keep();
  send();
  input.focus({ preventScroll: true });
  scan.dataset.ready = "yes";
})();
