/* backorders: on a page that a cache kept, <backorders-status> puts its words right, and forms get a token that still counts.
   The words come from the server, in the page's language. Whatever fails leaves the page as it came, and its forms post as ever. */
(() => {
  "use strict";
  const here = document.currentScript.dataset.url;
  const MOST = 50; // products in one question
  const TOKENS = ".bo-subscribe input[name=csrfmiddlewaretoken]";
  const parse = async answer => new DOMParser().parseFromString(await answer.text(), "text/html");
  const height = element => element.getBoundingClientRect().height;

  // What would push the page about waits for the reader's next click or key: that is when pages may move. (Not for the
  // finger that comes down: what it points at must still be there when it goes up.)
  const held = [];
  const release = () => held.splice(0).forEach(show => show());
  for (const touch of ["click", "keydown"]) addEventListener(touch, release, true);

  let live; // there before its words, or screen readers would not hear of them
  const announce = words => { live.textContent = words.join(" "); };

  const waiting = new Set();
  let soon;
  const ask = element => {
    if (element) waiting.add(element);
    soon ??= setTimeout(put);
  };

  async function put() {
    const asked = [...waiting], about = [...new Set(asked.map(element => element.question))], news = [];
    waiting.clear();
    soon = undefined;
    for (let from = 0; !from || from < about.length; from += MOST) {
      const question = new URLSearchParams(about.slice(from, from + MOST).map(each => ["of", each]));
      question.set("language", document.documentElement.lang);
      if (!from && document.querySelector(TOKENS)) question.set("token", "1");
      try {
        const answer = await fetch(`${here}?${question}`, { cache: "no-store" });
        if (!answer.ok) return;
        const page = await parse(answer), token = page.querySelector("input[name=csrfmiddlewaretoken]");
        if (token) document.querySelectorAll(TOKENS).forEach(input => { input.value = token.value; });
        for (const words of page.querySelectorAll("template[data-of]"))
          for (const element of asked) if (element.question === words.dataset.of) news.push(element.say(words));
      } catch { return; }
    }
    if (news.some(Boolean)) announce(news.filter(Boolean));
  }

  customElements.define("backorders-status", class extends HTMLElement {
    connectedCallback() {
      if (!live) {
        live = Object.assign(document.createElement("div"), { className: "bo-trap" });
        live.setAttribute("role", "status");
        document.body.append(live);
      }
      ask(this);
    }

    get question() {
      const said = name => this.getAttribute(name) ?? "";
      return [said("part") || "status", said("pay"), said("deposit"), said("product")].join("|");
    }

    /* Takes the server's words, and returns what is worth saying aloud: a product's state that has changed. */
    say(words) {
      if (words.innerHTML === this.innerHTML) return "";
      const before = this.firstElementChild, fresh = words.content.cloneNode(true), after = fresh.firstElementChild;
      const isWhole = before?.matches(".bo-status"), state = before?.dataset.state;
      this.swap(fresh, isWhole ? before : this.parentElement, isWhole);
      if (!state || state === after?.dataset.state) return "";
      this.dispatchEvent(new CustomEvent("backorders:changed", { bubbles: true, detail: { product: this.getAttribute("product"), state: after?.dataset.state } }));
      return isWhole ? (after?.querySelector(".bo-row") ?? after)?.innerText ?? "" : "";
    }

    swap(fresh, box, isWhole) {
      const old = [...this.childNodes], next = [...fresh.childNodes], place = box.getBoundingClientRect();
      this.replaceChildren(...next);
      const now = isWhole ? this.firstElementChild : box;
      if (!now || height(now) === place.height || place.bottom < 0 || place.top > innerHeight) return;
      if (isWhole) {
        Object.assign(now.style, { boxSizing: "border-box", blockSize: `${place.height}px`, overflow: "clip", overflowClipMargin: "content-box" });
        held.push(() => now.removeAttribute("style"));
      } else if (old.length) {
        this.replaceChildren(...old);
        held.push(() => this.replaceChildren(...next));
      }
    }
  });

  document.addEventListener("submit", async event => {
    const form = event.target, box = form.closest(".bo-subscribe"), said = new FormData(form), next = said.get("next");
    if (!box || !said.has("product") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.ariaBusy) return;
    form.ariaBusy = "true";
    said.set("next", ""); // the answer is then a page of ours, which no cache keeps
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(said) });
      const page = await parse(answer), fresh = page.getElementById(box.id), again = fresh?.querySelector("form");
      const outcome = fresh?.querySelector(".bo-outcome > *") ?? page.querySelector(".bo-lead[role=status]");
      const wrong = again?.querySelector("[aria-invalid]");
      if (again) again.elements.next.value = next;
      if (outcome) {
        box.style.minBlockSize = `${height(box)}px`;
        held.push(() => { box.style.minBlockSize = ""; });
        box.querySelector(".bo-outcome").replaceChildren(outcome);
        form.replaceWith(...(again ? [again] : []));
        box.focus();
      } else if (wrong) {
        form.replaceWith(again);
        wrong.focus();
      } else throw answer;
    } catch { form.submit(); }
  });

  addEventListener("pageshow", event => { // "back" shows the page as it was left
    if (event.persisted) document.querySelectorAll("backorders-status").forEach(ask);
  });
  if (document.querySelector(TOKENS)) ask();
})();
