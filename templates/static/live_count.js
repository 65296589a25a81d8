// Counts what a form as it stands would match, while it is being filled in.
(() => {
  const start = () => {
    const output = document.querySelector("[data-live-count]");
    const form = output && output.closest("form");
    if (!form) return;
    let timer, last = 0;
    const count = async () => {
      const mine = ++last;
      try {
        const answer = await fetch(output.dataset.liveCount, { method: "POST", body: new FormData(form) });
        const words = answer.ok ? await answer.text() : "cannot be counted now";
        if (mine === last) output.textContent = words;
      } catch {
        if (mine === last) output.textContent = "cannot be counted now";
      }
    };
    const later = () => { clearTimeout(timer); timer = setTimeout(count, 300); };
    form.addEventListener("input", later);
    form.addEventListener("change", later);
    if (window.django && django.jQuery) django.jQuery(form).on("change", later); // choosers with search
    count();
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
