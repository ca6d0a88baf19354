// Keeps an open page as things are: the server says that something changed, and the parts that differ are put in place.
const lamp = document.getElementById("lamp");
// What the server sent of each part that is shown.
const shown = new Map();
let busy = false;
let again = false;

function note(page) {
  shown.clear();
  for (const part of page.querySelectorAll("[data-live]")) shown.set(part.id, part.outerHTML);
}

function say(state, text) {
  if (!lamp) return;
  lamp.hidden = false;
  lamp.className = state;
  if (lamp.textContent !== text) lamp.textContent = text;
}

function put(old, fresh) {
  const held = old.contains(document.activeElement) ? document.activeElement : undefined;
  const open = [...old.querySelectorAll("details[open]")].map((it) => it.id);
  old.replaceWith(fresh);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (!held) return;
  const key = held.id ? `#${CSS.escape(held.id)}` : held.getAttribute("href") && `a[href="${CSS.escape(held.getAttribute("href"))}"]`;
  const target = key && fresh.querySelector(key);
  if (target) target.focus({ preventScroll: true });
}

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if ([401, 404].includes(answer.status)) return location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = new Map([...page.querySelectorAll("[data-live]")].map((it) => [it.id, it]));
    const known = [...document.querySelectorAll("[data-live]")];
    // A part that came or went changes the order of the others.
    if (known.map((it) => it.id).join() !== [...fresh.keys()].join()) {
      note(page);
      put(document.getElementById("main"), document.adoptNode(page.getElementById("main")));
    } else {
      for (const old of known) {
        const part = fresh.get(old.id);
        if (part.outerHTML === shown.get(old.id)) continue;
        shown.set(old.id, part.outerHTML);
        put(old, document.adoptNode(part));
      }
    }
    document.title = page.title;
    offerCopies();
  } catch {
    // The stream tells that the server is gone.
  } finally {
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

function offerCopies() {
  if (!navigator.clipboard) return;
  for (const code of document.querySelectorAll("code[data-copy]:not([data-done])")) {
    code.dataset.done = "";
    const button = document.createElement("button");
    button.className = "plain";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${code.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    code.after(button);
  }
}

const box = document.getElementById("q");
let typed;
box?.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const url = new URL(location.href);
    url.searchParams.delete("page");
    if (box.value) url.searchParams.set("q", box.value);
    else url.searchParams.delete("q");
    history.replaceState(null, "", url);
    refresh();
  }, 200);
});

let gone;
const stream = new EventSource("/events");
stream.addEventListener("change", refresh);
stream.addEventListener("open", () => {
  clearTimeout(gone);
  say("on", "Live");
});
stream.addEventListener("error", () => {
  clearTimeout(gone);
  // Streams end and begin anew; only one that does not is worth a word.
  gone = setTimeout(() => say("off", "Not live: the server does not answer"), 5000);
});
note(document);
offerCopies();
