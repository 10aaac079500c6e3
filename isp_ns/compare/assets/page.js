// The viewer: one state, drawn again after every change. All panels show the same place at the same scale.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.documentElement.classList.add("scripted");
  const $ = (id) => document.getElementById(id);

  startTheme();
  if (data.scenes.length === 0) return;

  const TRUTH = "truth";
  const LARGEST = 8;
  const STEPS = [1, 2, 3, 4, 6, 8];
  const stage = $("stage");
  const panels = $("panels");
  const divider = $("divider");

  // scale: device pixels for each pixel of the picture, 0 to fit; (x, y): what is in the middle, in picture pixels.
  const state = { scene: 0, left: "", right: "", mode: "slider", scale: 0, x: 0, y: 0, divider: 50, held: false };
  let announcing = 0;

  const scene = () => data.scenes[state.scene];
  const names = () => [...data.pipelines.filter((name) => name in scene().pictures), ...(TRUTH in scene().pictures ? [TRUTH] : [])];
  const ratio = () => window.devicePixelRatio || 1;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function panelSize() {
    const first = panels.firstElementChild || stage;
    return { width: first.clientWidth || 1, height: first.clientHeight || 1 };
  }

  function fitScale() {
    const { width, height } = panelSize();
    return Math.min(width / scene().width, height / scene().height) * ratio();
  }

  const scaleNow = () => (state.scale === 0 ? fitScale() : state.scale);

  function setScale(scale, at) {
    const before = scaleNow() / ratio();
    const least = fitScale();
    const next = scale === 0 || scale <= Math.min(least, 1) * 1.001 ? 0 : Math.min(scale, LARGEST);
    if (at) {
      const spot = { x: state.x + at.x / before, y: state.y + at.y / before };
      const after = (next === 0 ? least : next) / ratio();
      state.x = spot.x - at.x / after;
      state.y = spot.y - at.y / after;
    }
    state.scale = next;
    draw();
    announce(`${Math.round(scaleNow() * 100)} %`);
  }

  function zoomStep(direction) {
    const now = scaleNow();
    const further = direction > 0 ? STEPS.find((step) => step > now * 1.01) : [...STEPS].reverse().find((step) => step < now * 0.99);
    setScale(further || (direction > 0 ? LARGEST : 0));
  }

  function pan(dx, dy) {
    const scale = scaleNow() / ratio();
    state.x -= dx / scale;
    state.y -= dy / scale;
    draw();
  }

  // Keep the picture over the middle of the panel; smaller than the panel it stays centred.
  function settle() {
    const { width, height } = panelSize();
    const scale = scaleNow() / ratio();
    const { width: w, height: h } = scene();
    const halfX = width / 2 / scale;
    const halfY = height / 2 / scale;
    state.x = w <= 2 * halfX ? w / 2 : clamp(state.x, halfX, w - halfX);
    state.y = h <= 2 * halfY ? h / 2 : clamp(state.y, halfY, h - halfY);
  }

  function build() {
    const shown = {
      slider: [state.right, state.left],
      grid: names(),
      map: [...names().filter((name) => name in scene().maps), ...("disagreement" in scene().maps ? ["disagreement"] : [])],
    }[state.mode];
    stage.className = `stage ${state.mode}`;
    divider.hidden = state.mode !== "slider";
    $("sides").hidden = state.mode !== "slider";
    $("facts").hidden = state.mode === "map";
    $("legend").hidden = state.mode !== "map";
    tellFacts();
    panels.replaceChildren(...(shown.length ? shown.map(panel) : [onlyOne()]));
    const columns = state.mode === "slider" ? 1 : bestColumns(shown.length);
    panels.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    panels.style.gridTemplateRows = `repeat(${state.mode === "slider" ? 1 : Math.ceil(shown.length / columns)}, minmax(0, 1fr))`;
    draw();
  }

  function onlyOne() {
    const text = document.createElement("p");
    text.className = "only";
    text.textContent = `Only ${names()[0]} rendered this photograph: there are no differences to show.`;
    return text;
  }

  // As many columns as show the pictures largest.
  function bestColumns(count) {
    const aspect = scene().width / scene().height;
    let best = 1;
    let size = 0;
    for (let columns = 1; columns <= count; columns += 1) {
      const width = stage.clientWidth / columns;
      const height = stage.clientHeight / Math.ceil(count / columns);
      const fitted = Math.min(width, height * aspect);
      if (fitted > size * 1.02) [best, size] = [columns, fitted];
    }
    return best;
  }

  function panel(name, place) {
    const box = document.createElement("div");
    const image = document.createElement("img");
    const label = document.createElement("span");
    const isMap = state.mode === "map";
    box.className = "panel";
    image.src = isMap ? scene().maps[name] : scene().pictures[name];
    image.width = scene().width;
    image.height = scene().height;
    image.draggable = false;
    image.alt = isMap ? `${scene().title}, ${describe(name)}` : `${scene().title}, ${name}`;
    label.className = state.mode === "slider" && place === 0 ? "tag to-right" : "tag";
    label.textContent = isMap ? `${describe(name)}, mean ΔE ${scene().mapMeans[name].toFixed(1)}` : name;
    label.setAttribute("aria-hidden", "true");
    box.append(image, label);
    return box;
  }

  function describe(name) {
    return name === "disagreement" ? "spread of the pipelines" : `${name} against ${scene().reference}`;
  }

  function draw() {
    settle();
    const { width, height } = panelSize();
    const scale = scaleNow() / ratio();
    const tx = width / 2 - state.x * scale;
    const ty = height / 2 - state.y * scale;
    for (const image of panels.querySelectorAll("img")) {
      image.style.transform = `translate(${tx}px, ${ty}px) scale(${scale})`;
      image.classList.toggle("crisp", scaleNow() >= 1.5);
    }
    stage.classList.toggle("zoomed", state.scale !== 0 && state.scale > fitScale());
    drawDivider();
    $("zoom-level").textContent = `${Math.round(scaleNow() * 100)} %`;
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === state.scale));
    }
  }

  function drawDivider() {
    if (state.mode !== "slider") return;
    const place = state.held ? 0 : state.divider;
    const left = panels.lastElementChild;
    left.style.clipPath = `inset(0 ${100 - place}% 0 0)`;
    divider.style.left = `${place}%`;
    divider.setAttribute("aria-valuenow", String(Math.round(state.divider)));
    divider.setAttribute("aria-valuetext", `${Math.round(state.divider)} % ${state.left}, the rest ${state.right}`);
  }

  function setDivider(percent) {
    state.divider = clamp(percent, 0, 100);
    drawDivider();
  }

  function fillSides() {
    for (const side of ["left", "right"]) {
      const options = names().map((name) => {
        const option = document.createElement("option");
        option.value = name;
        option.textContent = name;
        return option;
      });
      $(side).replaceChildren(...options);
    }
    const known = names();
    if (!known.includes(state.left)) state.left = known[0];
    if (!known.includes(state.right)) state.right = known.find((name) => name !== state.left) || known[0];
    syncSides();
  }

  function syncSides() {
    $("left").value = state.left;
    $("right").value = state.right;
  }

  function tellFacts() {
    const numbers = scene().numbers;
    const shown = new Set(state.mode === "slider" ? [state.left, state.right] : names());
    const lines = [...shown].filter((name) => numbers[name]).map((name) => `${name}: ${numbers[name]}`);
    if (names().length === 1) lines.push("No other pipeline rendered this photograph.");
    $("facts").textContent = lines.join("\n");
  }

  function setScene(index) {
    const count = data.scenes.length;
    const old = { width: scene().width, height: scene().height };
    state.scene = (index + count) % count;
    if (old.width !== scene().width || old.height !== scene().height) {
      Object.assign(state, { x: scene().width / 2, y: scene().height / 2 });
    }
    $("scene").value = String(state.scene);
    fillSides();
    build();
    buildCrops();
    announce(`${scene().title}, photograph ${state.scene + 1} of ${count}`);
  }

  function setMode(mode) {
    state.mode = mode;
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    build();
    announce({ slider: "Slider", grid: "All side by side", map: "Differences" }[mode]);
  }

  function cycle(side) {
    const known = names();
    state[side] = known[(known.indexOf(state[side]) + 1) % known.length];
    syncSides();
    build();
    announce(`${side}: ${state[side]}`);
  }

  function swap() {
    [state.left, state.right] = [state.right, state.left];
    syncSides();
    build();
    announce(`left ${state.left}, right ${state.right}`);
  }

  function hold(on) {
    if (state.mode !== "slider" || state.held === on) return;
    state.held = on;
    drawDivider();
  }

  function buildCrops() {
    $("places").hidden = scene().crops.length === 0;
    $("crops").replaceChildren(...scene().crops.map(cropFigure));
  }

  function cropFigure(crop, number) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const row = document.createElement("div");
    caption.textContent = `${number + 1}. at ${crop.x}, ${crop.y}: mean ΔE ${crop.delta.toFixed(1)}`;
    row.className = "row";
    for (const name of names()) {
      const button = document.createElement("button");
      const image = document.createElement("img");
      const label = document.createElement("span");
      button.type = "button";
      image.src = crop.files[name];
      image.alt = "";
      image.loading = "lazy";
      label.textContent = name;
      button.setAttribute("aria-label", `Place ${number + 1}, ${name}: show it in the viewer at 400 %`);
      button.append(image, label);
      button.addEventListener("click", () => goTo(crop, name));
      row.append(button);
    }
    figure.append(caption, row);
    return figure;
  }

  function goTo(crop, name) {
    if (name !== state.right) state.left = name;
    Object.assign(state, { scale: 4, x: crop.x + crop.width / 2, y: crop.y + crop.height / 2 });
    syncSides();
    if (state.mode === "map") setMode("slider");
    else build();
    stage.scrollIntoView({ block: "nearest" });
    stage.focus({ preventScroll: true });
    announce(`${name}, place at ${crop.x}, ${crop.y}, 400 %`);
  }

  function announce(text) {
    clearTimeout(announcing);
    announcing = setTimeout(() => { $("live").textContent = text; }, 150);
  }

  function showKeys() {
    $("keys").showModal();
    // The first thing to hand is the way out, not the box that happens to stand above it.
    $("keys").querySelector("form button").focus();
  }

  function toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else $("viewer").requestFullscreen().catch(() => announce("The whole screen is not available here"));
  }

  // Pointers: one drags the divider or the picture, two pinch.
  const pointers = new Map();
  let dragging = "";

  function fromCentre(event) {
    const box = panelAt(event).getBoundingClientRect();
    return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
  }

  function panelAt(event) {
    return [...panels.children].find((each) => {
      const box = each.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    }) || panels.firstElementChild;
  }

  function toDivider(event) {
    const box = stage.getBoundingClientRect();
    setDivider(((event.clientX - box.left) / box.width) * 100);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event);
    stage.setPointerCapture(event.pointerId);
    const onDivider = divider.contains(event.target);
    const fits = !stage.classList.contains("zoomed");
    dragging = pointers.size > 1 ? "pinch" : onDivider || (fits && state.mode === "slider") ? "divider" : "picture";
    if (dragging === "divider") toDivider(event);
    (onDivider ? divider : stage).focus({ preventScroll: true });
  });

  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    pointers.set(event.pointerId, event);
    if (dragging === "divider") toDivider(event);
    else if (dragging === "picture") pan(event.clientX - last.clientX, event.clientY - last.clientY);
    else pinch(event, last);
  });

  function pinch(event, last) {
    const other = [...pointers.values()].find((each) => each.pointerId !== event.pointerId);
    if (!other) return;
    const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY) || 1;
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    setScale((scaleNow() * apart(event)) / apart(last), fromCentre(middle));
  }

  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      dragging = pointers.size === 1 ? "picture" : "";
    });
  }

  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !stage.contains(document.activeElement)) {
      $("hint").classList.add("shown");
      setTimeout(() => $("hint").classList.remove("shown"), 1200);
      return;
    }
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    setScale(scaleNow() * Math.exp(-clamp(event.deltaY * lines, -240, 240) / 400), fromCentre(event));
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => {
    if (!divider.contains(event.target)) setScale(state.scale === 0 ? 2 : 0, fromCentre(event));
  });

  // Keys
  const KEYS = {
    "+": () => zoomStep(1),
    "=": () => zoomStep(1),
    "-": () => zoomStep(-1),
    "0": () => setScale(0),
    n: () => setScene(state.scene + 1),
    p: () => setScene(state.scene - 1),
    l: () => cycle("left"),
    r: () => cycle("right"),
    x: swap,
    s: () => setMode("slider"),
    g: () => setMode("grid"),
    d: () => setMode("map"),
    f: toggleFullscreen,
    "?": showKeys,
    " ": () => hold(true),
  };
  for (let digit = 1; digit <= LARGEST; digit += 1) KEYS[String(digit)] = () => setScale(digit);
  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const DIVIDER_KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || $("keys").open) return;
    const target = event.target;
    const inViewer = stage.contains(target);
    if (target === divider && onDividerKey(event)) return;
    if (inViewer && event.key in ARROWS) {
      const far = event.shiftKey ? 200 : 50;
      pan(ARROWS[event.key][0] * far, ARROWS[event.key][1] * far);
      event.preventDefault();
      return;
    }
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    const pressing = target.tagName === "BUTTON" || target.tagName === "SUMMARY" || target.tagName === "A";
    if (typing || (event.key === " " && (pressing || !inViewer)) || !(inViewer || $("shortcuts").checked)) return;
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function onDividerKey(event) {
    const step = DIVIDER_KEYS[event.key];
    if (step !== undefined) setDivider(state.divider + step * (event.shiftKey ? 10 : 1));
    else if (event.key === "Home") setDivider(0);
    else if (event.key === "End") setDivider(100);
    else return false;
    event.preventDefault();
    return true;
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", (event) => { if (event.key === " ") hold(false); });
  window.addEventListener("blur", () => hold(false));

  // Controls
  $("scene").addEventListener("change", (event) => setScene(Number(event.target.value)));
  $("previous").addEventListener("click", () => setScene(state.scene - 1));
  $("next").addEventListener("click", () => setScene(state.scene + 1));
  $("swap").addEventListener("click", swap);
  $("zoom-in").addEventListener("click", () => zoomStep(1));
  $("zoom-out").addEventListener("click", () => zoomStep(-1));
  $("fullscreen").addEventListener("click", toggleFullscreen);
  $("help").addEventListener("click", showKeys);
  for (const side of ["left", "right"]) {
    $(side).addEventListener("change", (event) => { state[side] = event.target.value; syncSides(); build(); });
  }
  for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => setMode(button.dataset.mode));
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => setScale(Number(button.dataset.zoom)));
  }
  new ResizeObserver(() => (state.mode === "slider" ? draw() : build())).observe(stage);

  // Start where there is something to compare.
  state.scene = Math.max(0, data.scenes.findIndex((each) => Object.keys(each.pictures).length > 1));
  $("scene").value = String(state.scene);
  Object.assign(state, { x: scene().width / 2, y: scene().height / 2 });
  fillSides();
  setMode("slider");
  buildCrops();

  function startTheme() {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const name = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
    system.addEventListener("change", name);
    $("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    name();
  }
})();
