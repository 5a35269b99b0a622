// Bundles what the pages use of others' libraries. Run by `./build`, which installs them beside the repository.

import { build } from "esbuild";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync, copyFileSync } from "node:fs";

// The policy of pages allows no <style>; style sheets made by scripts are fine. style-mod makes these only within shadow
// trees, although documents take them, too.
const styles = {
  name: "styles",
  setup(builder) {
    builder.onLoad({ filter: /style-mod\/.*\.js$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const changed = text.replace("!root.head && root.adoptedStyleSheets", "root.adoptedStyleSheets");
      if (changed === text) throw new Error("style-mod is not what it was: look at how it mounts styles");
      return { contents: changed };
    });
  },
};

const names = ["codemirror", "prosemirror", "leaflet", "signature_pad"];
rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: names.map((name) => `src/${name}.js`),
  outdir: "dist",
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  target: "es2022",
  chunkNames: "part-[hash]",
  legalComments: "none",
  plugins: [styles],
});
copyFileSync("node_modules/leaflet/dist/leaflet.css", "dist/leaflet.css");

const texts = [];
for (const folder of readdirSync("node_modules").flatMap((name) => (name.startsWith("@") ? readdirSync(`node_modules/${name}`).map((inner) => `${name}/${inner}`) : [name])).sort()) {
  const about = `node_modules/${folder}/package.json`;
  if (!existsSync(about) || folder.startsWith("@esbuild/") || folder === "esbuild") continue;
  const { version, license } = JSON.parse(readFileSync(about, "utf8"));
  const file = readdirSync(`node_modules/${folder}`).find((name) => /^licen[cs]e/i.test(name));
  texts.push(`${folder} ${version} (${license})\n\n${file ? readFileSync(`node_modules/${folder}/${file}`, "utf8").trim() : "See its package."}\n`);
}
writeFileSync("dist/LICENSES.txt", `What is bundled here, each under its own licence.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`);
