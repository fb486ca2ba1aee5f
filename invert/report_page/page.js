"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const COLUMNS = ["frame", "radius (nm)", "± (nm)", "orientation ± (°)", "agreement", "score", "patterns", "flags"];
  const DIGITS = [0, 2, 2, 2, 3, 3, 0, null];
  const PLACES = [0, 1, 2, 3, 4, 5, 6, 7];
  if (Object.keys(data.bodies).length > 1) { COLUMNS.push("body"); DIGITS.push(null); PLACES.push(9); }
  if (data.labelled) { COLUMNS.push("labels"); DIGITS.push(null); PLACES.push(11); }
  const [RADIUS, AGREEMENT, SCORE, FLAGS, QUATERNION, BODY, BEAM] = [1, 4, 5, 7, 8, 9, 10];
  const PER_PAGE = 50;
  const QUIET = { displayModeBar: false, responsive: true };
  const FONT = { family: "system-ui, sans-serif", size: 11, color: "#1f2933" };
  // that of the pictures; plotly.js knows others by name
  const INFERNO = [[0, "#000004"], [0.125, "#210c4a"], [0.25, "#57106e"], [0.375, "#8a226a"], [0.5, "#bc3754"],
    [0.625, "#e45a31"], [0.75, "#f98e09"], [0.875, "#f9cb35"], [1, "#fcffa4"]];
  const state = { order: [], column: 0, down: false, page: 0, open: null };
  const at = (id) => document.getElementById(id);

  function histogram(place, title, column) {
    const values = data.rows.map((row) => row[column]).filter((value) => value !== null);
    Plotly.newPlot(place, [{ x: values, type: "histogram", marker: { color: "#2b6cb0" }, nbinsx: 40 }],
      axes(title, "frames"), QUIET);
  }

  function axes(x, y) {
    return { margin: { l: 42, r: 8, t: 8, b: 36 }, font: FONT, bargap: 0.03,
      xaxis: { title: { text: x, standoff: 4 } }, yaxis: { title: { text: y, standoff: 2 }, rangemode: "tozero" } };
  }

  function summary() {
    const places = [0, 1, 2, 3].map(() => at("summary").appendChild(document.createElement("div")));
    histogram(places[0], "radius (nm)", RADIUS);
    histogram(places[1], "agreement", AGREEMENT);
    if (data.rows.some((row) => row[SCORE] !== null)) histogram(places[2], "score: explained by a particle", SCORE);
    const counts = data.flags.map((flag) => data.rows.filter((row) => row[FLAGS].split(", ").includes(flag)).length);
    const used = data.flags.map((flag, index) => [flag, counts[index]]).filter((pair) => pair[1] > 0);
    used.push(["no flag", data.rows.filter((row) => row[FLAGS] === "").length]);
    const layout = axes("frames", "");
    layout.yaxis.automargin = true;  // names of flags are of any length
    Plotly.newPlot(places[3], [{ y: used.map((pair) => pair[0].replaceAll("_", " ")), x: used.map((pair) => pair[1]),
      type: "bar", orientation: "h", marker: { color: "#2b6cb0" } }], layout, QUIET);
  }

  function sort() {
    const key = (index) => data.rows[index][PLACES[state.column]];
    const sign = state.down ? -1 : 1;
    const good = at("filter").value === "good";
    state.order = data.rows.map((_, index) => index).filter((index) => !good || data.rows[index][FLAGS] === "");
    state.order.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === y) return a - b;
      if (x === null) return 1; // unknown values come last either way
      if (y === null) return -1;
      return x < y ? -sign : sign;
    });
  }

  function headings() {
    const row = at("table").tHead.rows[0];
    COLUMNS.forEach((name, column) => {
      const cell = row.appendChild(document.createElement("th"));
      cell.textContent = name;
      cell.tabIndex = 0;
      const choose = () => {
        state.down = state.column === column ? !state.down : false;
        state.column = column;
        state.page = 0;
        sort();
        table();
      };
      cell.addEventListener("click", choose);
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
    });
  }

  function shown(value, digits) {
    if (value === null) return "–";
    return digits === null ? String(value).replaceAll("_", " ") : value.toFixed(digits);
  }

  function meanings(row) {
    return row[FLAGS].split(", ").filter(Boolean).map((flag) => `${flag.replaceAll("_", " ")}: ${data.meanings[flag]}`).join("\n");
  }

  function table() {
    [...at("table").tHead.rows[0].cells].forEach((cell, column) => {
      if (column === state.column) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const body = at("table").tBodies[0];
    const pages = Math.max(1, Math.ceil(state.order.length / PER_PAGE));
    const first = state.page * PER_PAGE;
    body.replaceChildren(...state.order.slice(first, first + PER_PAGE).map((index) => {
      const row = document.createElement("tr");
      row.dataset.index = index;
      row.className = (index === state.open ? "open " : "") + (data.pictures[index] ? "pictured" : "");
      DIGITS.forEach((digits, column) => {
        const cell = row.appendChild(document.createElement("td"));
        cell.textContent = shown(data.rows[index][PLACES[column]], digits);
        if (PLACES[column] === FLAGS) cell.title = meanings(data.rows[index]);
      });
      row.addEventListener("click", () => open(index));
      return row;
    }));
    at("place").textContent = `page ${state.page + 1} of ${pages}, ${state.order.length} frames`;
    at("previous").disabled = state.page === 0;
    at("next").disabled = state.page >= pages - 1;
  }

  function greys(base64) {
    return new Promise((resolve, reject) => {
      const picture = new Image();
      picture.onload = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.width, picture.height];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(picture, 0, 0);
        const pixels = context.getImageData(0, 0, picture.width, picture.height).data;
        const rows = [];
        for (let y = 0; y < picture.height; y += 1) {
          const row = [];
          for (let x = 0; x < picture.width; x += 1) {
            const grey = pixels[4 * (y * picture.width + x)];
            row.push(grey === 0 ? null : (grey - 1) / 254);
          }
          rows.push(row);
        }
        resolve(rows);
      };
      picture.onerror = reject;
      picture.src = `data:image/png;base64,${base64}`;
    });
  }

  function image(place, rows, scale, range, label) {
    const q = (length) => Array.from({ length }, (_, index) => (index - Math.floor(length / 2)) * data.extent.step);
    const trace = { type: "heatmap", z: rows, x: q(rows[0].length), y: q(rows.length), colorscale: scale,
      zmin: range[0], zmax: range[1], hoverongaps: false,
      colorbar: { thickness: 8, len: 0.9, tickfont: { size: 9 }, title: { text: label, side: "right", font: { size: 9 } } } };
    const layout = { margin: { l: 46, r: 4, t: 4, b: 36 }, font: FONT, plot_bgcolor: "#4a5568",
      xaxis: { title: { text: data.extent.x, standoff: 2 }, constrain: "domain", zeroline: false, showgrid: false },
      yaxis: { title: { text: data.extent.y, standoff: 0 }, autorange: "reversed", scaleanchor: "x",
        constrain: "domain", zeroline: false, showgrid: false } };
    Plotly.react(place, [trace], layout, QUIET);
  }

  function turned(vertex, [w, x, y, z]) {
    const [a, b, c] = vertex;
    const s = [w * a + y * c - z * b, w * b + z * a - x * c, w * c + x * b - y * a];
    const t = x * a + y * b + z * c;
    return [t * x + w * s[0] + y * s[2] - z * s[1], t * y + w * s[1] + z * s[0] - x * s[2],
      t * z + w * s[2] + x * s[1] - y * s[0]];
  }

  function particle(place, row) {
    const mesh = data.bodies[row[BODY]];
    place.dataset.body = mesh ? row[BODY] : "";
    if (!mesh) { Plotly.purge(place); place.textContent = row[BODY]; return; }
    const corners = mesh.vertices.map((vertex) => turned(vertex, row[QUATERNION]).map((value) => value * row[RADIUS]));
    const axis = (list, index) => list.map((point) => (point ? point[index] : null));
    const edges = mesh.edges.flatMap(([from, to]) => [corners[from], corners[to], null]);
    const faces = { type: "mesh3d", x: axis(corners, 0), y: axis(corners, 1), z: axis(corners, 2),
      i: axis(mesh.triangles, 0), j: axis(mesh.triangles, 1), k: axis(mesh.triangles, 2), color: "#b8c2d0",
      flatshading: true, hoverinfo: "skip", lighting: { ambient: 0.45, diffuse: 0.8, specular: 0.15 },
      lightposition: { x: -400, y: -700, z: -1500 } };
    const lines = { type: "scatter3d", mode: "lines", x: axis(edges, 0), y: axis(edges, 1), z: axis(edges, 2),
      line: { color: "#222", width: 3 }, hoverinfo: "skip" };
    const largest = 1.05 * Math.max(...data.rows.map((other) => other[RADIUS]));
    const scale = (text) => ({ title: { text }, range: [-largest, largest], showbackground: false, tickfont: { size: 9 } });
    // the beam runs away from the viewer, and the image's y points down
    const layout = { margin: { l: 0, r: 0, t: 0, b: 0 }, font: FONT, showlegend: false, uirevision: "stay",
      // the scale of the third axis would lie on one spot, and is that of the others
      scene: { xaxis: scale("x"), yaxis: scale("y"), zaxis: { ...scale("z"), showticklabels: false }, aspectmode: "cube",
        camera: { eye: { x: 0, y: 0, z: -2 }, up: { x: 0, y: -1, z: 0 }, projection: { type: "orthographic" } } } };
    Plotly.react(place, [faces, lines], layout, QUIET);
  }

  async function open(index) {
    state.open = index;
    const row = data.rows[index];
    at("heading").textContent = `frame ${row[0]}`;
    const unsure = row[2] === null ? "" : ` ± ${row[2].toFixed(2)}`;
    at("facts").textContent = `${row[BODY]}, R = ${row[RADIUS].toFixed(2)}${unsure} nm, q = (` +
      `${row[QUATERNION].map((value) => value.toFixed(4)).join(", ")}), agreement ${shown(row[AGREEMENT], 3)}, beam off ` +
      `the centre by (${row[BEAM].map((value) => shown(value, 1)).join(", ")}) px` +
      (row[FLAGS] ? `; ${row[FLAGS].replaceAll("_", " ")}` : "");
    at("facts").title = meanings(row);
    particle(at("particle"), row);
    table();
    const pair = data.pictures[index];
    at("nothing").hidden = Boolean(pair);
    for (const id of ["measured", "resimulated", "difference"]) at(id).parentElement.hidden = !pair;
    if (!pair) return;
    const [measured, simulated] = await Promise.all(pair.map(greys));
    if (state.open !== index) return;
    const difference = measured.map((line, y) => line.map((value, x) => (value === null ? null : value - simulated[y][x])));
    image(at("measured"), measured, INFERNO, [0, 1], "log intensity");
    image(at("resimulated"), simulated, INFERNO, [0, 1], "log intensity");
    image(at("difference"), difference, [[0, "#2166ac"], [0.5, "#f7f7f7"], [1, "#b2182b"]], [-0.5, 0.5], "measured − re-simulated");
    document.body.dataset.shown = index;
  }

  function move(step) {
    const place = state.order.indexOf(state.open) + step;
    if (place < 0 || place >= state.order.length) return;
    state.page = Math.floor(place / PER_PAGE);
    open(state.order[place]);
  }

  at("filter").addEventListener("change", () => { state.page = 0; sort(); table(); });
  at("previous").addEventListener("click", () => { state.page -= 1; table(); });
  at("next").addEventListener("click", () => { state.page += 1; table(); });
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT") return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    }
  });

  summary();
  headings();
  sort();
  open(state.order[0]);
})();
