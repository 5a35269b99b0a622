// Places on a map of lines of latitude and longitude: points, lines and areas, kept as GeoJSON. Nothing is fetched from
// elsewhere, so there is no picture of streets under it.

import * as L from "../vendor/leaflet.js";
import { follow, standIn, write } from "./editors.js";
import { button } from "./rows.js";
import { t } from "./text.js";

const KINDS = { Point: t("Point"), LineString: t("Line"), Polygon: t("Area") };
const LEAST = { Point: 1, LineString: 2, Polygon: 3 };
/** Decimals of a coordinate: about a decimetre. */
const DECIMALS = 6;

const rounded = (number) => Number(number.toFixed(DECIMALS));

/** The features in a text of GeoJSON, whatever object it is; `null` if it is none. */
function features(text) {
  if (!text.trim()) return [];
  try {
    const json = JSON.parse(text);
    if (json?.type === "FeatureCollection") return json.features;
    if (json?.type === "Feature") return [json];
    return json?.coordinates ? [{ type: "Feature", properties: {}, geometry: json }] : null;
  } catch {
    return null;
  }
}

function loadStyle() {
  const href = new URL("../vendor/leaflet.css", import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return null;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  const loaded = new Promise((resolve) => { link.addEventListener("load", resolve); link.addEventListener("error", resolve); });
  // Before the sheets of the desk, which know its colours.
  document.head.prepend(link);
  return loaded;
}

// Lines every so many degrees, for what is in view.
function graticule(map) {
  const lines = L.layerGroup().addTo(map);
  const draw = () => {
    lines.clearLayers();
    const bounds = map.getBounds();
    const wide = Math.max(bounds.getEast() - bounds.getWest(), 1e-6);
    const step = [90, 45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001].find((wanted) => wide / wanted >= 4) ?? 0.0005;
    const style = { className: "graticule", weight: 1, interactive: false, smoothFactor: 0 };
    const name = (value, [plus, minus]) => `${Math.abs(rounded(value))}°${value > 0 ? plus : value < 0 ? minus : ""}`;
    const label = (at, text) => L.marker(at, { interactive: false, keyboard: false, icon: L.divIcon({ className: "graticule-label", html: text, iconSize: null }) }).addTo(lines);
    for (let at = Math.ceil(bounds.getWest() / step) * step; at <= bounds.getEast(); at += step) {
      L.polyline([[-90, at], [90, at]], style).addTo(lines);
      label([bounds.getSouth(), at], name(((at + 540) % 360) - 180, "EW"));
    }
    for (let at = Math.ceil(Math.max(bounds.getSouth(), -90) / step) * step; at <= Math.min(bounds.getNorth(), 90); at += step) {
      L.polyline([[at, bounds.getWest() - 360], [at, bounds.getEast() + 360]], style).addTo(lines);
      label([at, bounds.getWest()], name(at, "NS"));
    }
  };
  map.on("moveend", draw);
  draw();
}

/** Puts a map above a text area, which is folded away. */
export async function mount(input) {
  await loadStyle();
  const box = document.createElement("div");
  const place = document.createElement("div");
  place.className = "map";
  const bar = document.createElement("div");
  bar.className = "editor-bar";
  const list = document.createElement("ul");
  list.className = "map-features";
  const said = document.createElement("p");
  said.className = "help map-said";
  said.setAttribute("role", "status");
  box.append(bar, place, list, said);
  standIn(input, box, place, () => place.focus());
  place.setAttribute("role", "application");

  let shapes = features(input.value) ?? [];
  const map = L.map(place, { attributionControl: false, crs: L.CRS.EPSG4326, center: [20, 0], zoom: 0, minZoom: 0, maxZoom: 18, zoomControl: false });
  L.control.zoom({ position: "topright" }).addTo(map);
  graticule(map);
  const layer = L.geoJSON(null, { style: { className: "map-shape" }, pointToLayer: (_, at) => L.circleMarker(at, { radius: 7, className: "map-shape" }) }).addTo(map);
  const draft = L.layerGroup().addTo(map);

  let kind = null;
  let corners = [];
  const drawDraft = () => {
    draft.clearLayers();
    const options = { className: "map-draft", interactive: false };
    if (corners.length > 1) (kind === "Polygon" ? L.polygon : L.polyline)(corners, options).addTo(draft);
    for (const corner of corners) L.circleMarker(corner, { ...options, radius: 4 }).addTo(draft);
  };
  const store = () => {
    write(input, shapes.length ? JSON.stringify({ type: "FeatureCollection", features: shapes }) : "");
    show();
  };
  const add = (type, points) => {
    const coordinates = points.map(({ lat, lng }) => [rounded(L.Util.wrapNum(lng, [-180, 180], true)), rounded(lat)]);
    const shape = { Point: coordinates[0], LineString: coordinates, Polygon: [[...coordinates, coordinates[0]]] }[type];
    shapes = [...shapes, { type: "Feature", properties: {}, geometry: { type, coordinates: shape } }];
    store();
  };

  const tools = new Map();
  const choose = (type) => {
    kind = kind === type ? null : type;
    corners = [];
    for (const [name, made] of tools) made.setAttribute("aria-pressed", String(name === kind));
    place.classList.toggle("drawing", kind !== null);
    done.hidden = kind === null || kind === "Point";
    said.textContent = { Point: t("Click where it is."), LineString: t("Click along the line, then Done."), Polygon: t("Click around the area, then Done.") }[kind] ?? "";
    drawDraft();
  };
  for (const [type, label] of Object.entries(KINDS)) {
    const made = button(label, null, () => choose(type));
    made.setAttribute("aria-pressed", "false");
    made.dataset.draw = type;
    tools.set(type, made);
    bar.append(made);
  }
  const done = button(t("Done"), null, () => {
    if (corners.length < LEAST[kind]) { said.textContent = t("That takes {least} places at least.", { least: LEAST[kind] }); return; }
    const [type, points] = [kind, corners];
    choose(kind);
    add(type, points);
  });
  done.dataset.drawDone = "";
  done.hidden = true;
  const here = button(t("Where I am"), "pin", () => {
    said.textContent = t("Looking…");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => { said.textContent = ""; add("Point", [{ lat: coords.latitude, lng: coords.longitude }]); fit(); },
      ({ message }) => { said.textContent = t("This device does not say where it is: {message}.", { message }); },
      { enableHighAccuracy: true, timeout: 20_000 },
    );
  });
  here.dataset.here = "";
  const at = document.createElement("input");
  at.type = "text";
  at.autocomplete = "off";
  at.placeholder = "48.2082, 16.3738";
  at.setAttribute("aria-label", t("Latitude, longitude of a point"));
  at.dataset.coordinates = "";
  const addTyped = () => {
    const match = /^\s*([+-]?\d+(?:\.\d+)?)\s*[°,;\s]\s*([+-]?\d+(?:\.\d+)?)\s*°?\s*$/.exec(at.value);
    const [lat, lng] = match ? [Number(match[1]), Number(match[2])] : [NaN, NaN];
    if (!(Math.abs(lat) <= 90 && Math.abs(lng) <= 180)) { said.textContent = t("Type latitude and longitude in degrees, such as 48.2082, 16.3738."); return; }
    said.textContent = "";
    at.value = "";
    add("Point", [{ lat, lng }]);
    fit();
  };
  at.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    addTyped();
  });
  for (const name of ["input", "change"]) at.addEventListener(name, (event) => event.stopPropagation());
  const typed = button(t("Add point"), null, addTyped);
  bar.append(done, here, at, typed);

  map.on("click", ({ latlng }) => {
    if (!kind || input.readOnly) return;
    if (kind === "Point") { choose("Point"); add("Point", [latlng]); return; }
    corners.push(latlng);
    drawDraft();
  });

  const describe = ({ geometry }) => {
    const [lng, lat] = (geometry?.coordinates ?? []).flat(3);
    const where = lat === undefined ? "" : ` ${lat}, ${lng}`;
    return `${KINDS[geometry?.type] ?? geometry?.type ?? t("Something")}${where}`;
  };
  const fit = () => {
    const bounds = layer.getBounds();
    if (bounds.isValid()) map.fitBounds(bounds.pad(0.3), { maxZoom: 8, animate: false });
  };
  const show = () => {
    layer.clearLayers();
    try { layer.addData({ type: "FeatureCollection", features: shapes }); } catch { said.textContent = t("Some of it cannot be shown on a map."); }
    list.replaceChildren(...shapes.map((shape, index) => {
      const item = document.createElement("li");
      const words = document.createElement("span");
      words.textContent = describe(shape);
      const remove = button(t("Remove"), null, () => { shapes = shapes.filter((_, other) => other !== index); store(); (list.querySelector("button") ?? at).focus(); });
      remove.setAttribute("aria-label", `Remove ${words.textContent}`);
      remove.hidden = input.readOnly;
      item.append(words, remove);
      return item;
    }));
    bar.hidden = input.readOnly;
  };
  follow(input, () => { shapes = features(input.value) ?? []; show(); });
  show();
  fit();
  // In a tab or fold that opens, the map gets its size.
  new ResizeObserver(() => { map.invalidateSize(); fit(); }).observe(place);

  // The text behind it, for whoever wants to see or paste it.
  const behind = document.createElement("details");
  behind.className = "map-text";
  const summary = document.createElement("summary");
  summary.textContent = t("GeoJSON");
  input.before(behind);
  behind.append(summary, input);
  input.hidden = false;
  behind.before(box);
  if (features(input.value) === null) { behind.open = true; said.textContent = t("This text is not GeoJSON."); }
}
