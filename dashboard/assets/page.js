// What the page does without asking the server: address, theme, brushes reduced to their outline, pictures.
"use strict";

(function () {
  const unchanged = () => window.dash_clientside.no_update;

  function apply(query) {
    const fields = new URLSearchParams(query);
    const theme = fields.get("theme") || "light";
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme-button");
    if (button) button.textContent = theme === "dark" ? "Light" : "Dark";
    const page = fields.get("page") || "trade-off";
    document.documentElement.dataset.page = page;
    document.documentElement.dataset.depth = (fields.get("z") || "none") === "none" ? "2" : "3";
    let moved = false;
    const wide = document.getElementById("wide");
    if (wide) wide.hidden = page !== "trade-off";
    for (const name of ["trade-off", "flip", "insight"]) {
      const part = document.getElementById(name + "-page");
      if (part && part.hidden !== (name !== page)) {
        part.hidden = name !== page;
        moved = true;
      }
    }
    // figures that were laid out while hidden have no size yet
    if (moved) window.setTimeout(() => window.dispatchEvent(new Event("resize")), 0);
  }

  // What Dash's own elements lack for a screen reader: names of slider handles, radio buttons that are a list box
  // of buttons, and a hidden field that takes the focus.
  function mend() {
    for (const handle of document.querySelectorAll("[role=slider]")) {
      const group = handle.closest("[role=group][aria-label]");
      if (!group) continue;
      const both = group.querySelectorAll("[role=slider]");
      const end = both.length < 2 ? "" : handle === both[0] ? ", lowest" : ", highest";
      handle.setAttribute("aria-label", group.getAttribute("aria-label") + end);
    }
    for (const list of document.querySelectorAll(".dash-options-list.dash-radioitems, .dash-options-list.dash-checklist")) {
      if (list.getAttribute("role") === "group") continue;
      list.setAttribute("role", "group");
      list.setAttribute("aria-label", list.id === "page-choice" ? "Page" : list.id === "log" ? "Logarithmic axes" : "Points");
    }
    for (const option of document.querySelectorAll(".dash-options-list label[role=option]")) {
      if (!option.querySelector("input")) continue;
      option.removeAttribute("role");
      option.removeAttribute("aria-selected");
    }
    // the hidden field would hand its focus to the list; the list takes it itself
    for (const field of document.querySelectorAll(".dash-dropdown-focus-target[tabindex='0']")) field.tabIndex = -1;
    for (const list of document.querySelectorAll("button.dash-dropdown[tabindex='-1']")) list.tabIndex = 0;
  }
  function nameFields() {
    for (const field of document.querySelectorAll(".entry input:not([aria-label])")) {
      const group = field.closest("[role=group][aria-label]");
      const both = [...group.querySelectorAll(".entry input")];
      const end = both.length < 2 ? "" : field === both[0] ? ", lowest" : ", highest";
      field.setAttribute("aria-label", group.getAttribute("aria-label") + end);
    }
  }
  // What is below the trade-off waits until it is drawn, once for each page that is laid out.
  let drawn = null;
  function tellDrawn() {
    const graph = document.querySelector("#front .js-plotly-plot");
    if (!graph || graph === drawn || !graph.querySelector(".main-svg")) return;
    drawn = graph;
    window.dash_clientside.set_props("front-drawn", { data: true });
  }
  let waiting = 0;
  new MutationObserver(() => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => { mend(); nameFields(); tellDrawn(); }, 50);
  }).observe(document.documentElement, { childList: true, subtree: true });

  // Events that no answer has counted yet: they are sent again with the next one, since Dash drops the answer to a
  // question that was asked anew meanwhile.
  const unanswered = [];
  const known = new Map(); // what each control says, as far as the server has heard or told
  let sequence = 0;
  let answer = null;

  function asked(events) {
    sequence += 1;
    for (const one of events) unanswered.push(Object.assign({ seq: sequence }, one));
    return { seq: sequence, events: unanswered.slice(), zoom: zoomed(), filters: known.get("table.filterModel") || {} };
  }

  function same(a, b) {
    // a slider's handle is where it was if it is less than half a step away
    if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) < 0.26;
    if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, n) => same(one, b[n]));
    return JSON.stringify(a ?? "") === JSON.stringify(b ?? "");
  }

  function key(id, property) {
    const name = typeof id === "string" ? id
      : "{" + Object.keys(id).sort().map((part) => JSON.stringify(part) + ":" + JSON.stringify(id[part])).join(",") + "}";
    return name + "." + property;
  }

  // What a change of a property means: {id, value}, or nothing.
  function understood(name, property, value, selection) {
    if (value === undefined) return null;
    const id = name.startsWith("{") ? JSON.parse(name) : name;
    if (property === "value" || property === "filterModel") {
      const where = key(id, property);
      if (known.has(where) && same(known.get(where), value)) return null;
      known.set(where, value);
      return property === "value" ? { id, value } : { id: "headings", value };
    }
    if (property === "clickData") {
      const point = value && value.points && value.points[0];
      return point && Number.isInteger(point.customdata) ? { id: "click", value: { trial: point.customdata } } : null;
    }
    if (property === "selectedData") {
      const outline = brush(value);
      return outline ? { id: "brush", value: outline } : null;
    }
    if (!value) return null;
    if (property === "cellClicked") return { id, value: { colId: value.colId, rowId: value.rowId } };
    if (name === "save") return { id, value: { name: selection || "" } };
    return { id, value };
  }

  // a brush arrives with every point in it; its outline says the same in a hundred bytes
  function brush(event) {
    // a new drawing forgets its brush too: that lifts nothing
    if (!event) return /[?&](min|max)\.|[?&]lasso=/.test(window.location.search) ? { none: true } : null;
    if (event.range && event.range.x) return { box: [event.range.x, event.range.y] };
    if (event.lassoPoints && event.lassoPoints.x) {
      const step = Math.ceil(event.lassoPoints.x.length / 40);
      const thin = (values) => values.filter((_, index) => index % step === 0);
      return { lasso: [thin(event.lassoPoints.x), thin(event.lassoPoints.y)] };
    }
    return null;
  }

  // the ranges that the user has zoomed to, so that a new drawing has them too
  function zoomed() {
    const graph = document.querySelector("#front .js-plotly-plot");
    if (!graph || !graph.layout) return null;
    const found = { of: graph.layout.uirevision };
    for (const axis of ["x", "y"]) {
      const own = graph.layout[axis + "axis"];
      if (own && own.autorange === false && own.range) found[axis] = own.range.slice();
    }
    return found;
  }

  function follow(id, property, value) {
    const where = key(id, property);
    const told = known.has(where);
    const before = known.get(where);
    if (unanswered.some((one) => key(one.id, "value") === where)) return; // the user has moved it again
    known.set(where, value);
    if (told && !same(before, value)) window.dash_clientside.set_props(id, { [property]: value });
  }

  async function refill() {
    try {
      const grid = await window.dash_ag_grid.getApiAsync("table");
      grid.refreshInfiniteCache();
    } catch (error) {
      // the table has not been built yet; it asks for its rows itself when it is
    }
  }

  // A figure as a file, on the ground that it has on the page.
  function picture(graph, format, title) {
    if (!graph) return;
    const before = graph.layout.paper_bgcolor;
    graph.layout.paper_bgcolor = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
    const name = "codesign-" + title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
    window.Plotly.downloadImage(graph, {
      format, filename: name, width: graph.clientWidth, height: graph.clientHeight, scale: 2,
    }).finally(() => { graph.layout.paper_bgcolor = before; });
  }

  let wishes = 0;
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-do]");
    if (!button) return;
    const { do: what, on } = button.dataset;
    if (what === "picture") {
      const place = button.closest(".frame, .card");
      picture(place.querySelector(".js-plotly-plot"), on, place.querySelector("h2, h3").textContent);
    } else if (what === "export" || what === "report") {
      wishes += 1;
      window.dash_clientside.set_props("wanted", { data: { do: what, on, wish: wishes } });
    } else {
      const press = { id: { type: "act", do: what, on }, value: 1 };
      window.dash_clientside.set_props("event", { data: asked([press]) });
    }
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    page: {
      start(search) {
        const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
        document.documentElement.dataset.theme =
          new URLSearchParams(search).get("theme") || (dark ? "dark" : "light");
        return { search: search || "", theme: dark ? "dark" : "light" };
      },

      // Everything that the user does, as one event to the server.
      gather(...args) {
        const events = [];
        for (const { prop_id, value } of window.dash_clientside.callback_context.triggered) {
          const cut = prop_id.lastIndexOf(".");
          const one = understood(prop_id.slice(0, cut), prop_id.slice(cut + 1), value, args[args.length - 1]);
          if (one) events.push(one);
        }
        return events.length ? asked(events) : unchanged();
      },

      // After an answer: the address, controls that follow the view, rings, rows of the table.
      answered(said, query) {
        if (typeof query === "string") {
          apply(query);
          window.history.replaceState(null, "", query ? "?" + query : window.location.pathname);
        }
        if (!said || said === answer) return unchanged();
        answer = said;
        while (unanswered.length && unanswered[0].seq <= said.ack) unanswered.shift();
        for (const [id, property, value] of said.all || []) follow(id, property, value);
        if (said.filters) follow("table", "filterModel", said.filters);
        const graph = document.querySelector("#front .js-plotly-plot");
        if (said.rings && graph) window.Plotly.relayout(graph, { shapes: said.rings });
        if (said.refill) refill();
        return unchanged();
      },

      // a diagram that has not looked at all models yet is asked for again
      again(left) {
        if (left > 0 && document.documentElement.dataset.page === "flip") {
          window.setTimeout(() => window.dash_clientside.set_props("flip-again", { data: left }), 50);
        }
        return unchanged();
      },

      async copy(clicks) {
        if (!clicks) return unchanged();
        try {
          await navigator.clipboard.writeText(window.location.href);
          return "Copied";
        } catch (error) {
          return "Copy it from the address bar";
        }
      },
    },
  });
})();
