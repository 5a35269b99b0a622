// Sums of decimals as they are written, digit by digit: 0.1 and 0.2 are 0.3.

/** The sum as text, with as many decimals as the longest; `null` if one of the texts is not a plain number. */
export function sum(texts) {
  const numbers = texts.map((text) => text.replaceAll(",", "").trim()).filter(Boolean);
  const parts = numbers.map((text) => /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text));
  if (parts.some((part) => !part || !(part[2] || part[3]))) return null;
  const scale = Math.max(0, ...parts.map((part) => (part[3] || "").length));
  const total = parts.reduce((before, [, sign, whole, fraction = ""]) => {
    const units = BigInt(whole + fraction.padEnd(scale, "0"));
    return sign === "-" ? before - units : before + units;
  }, 0n);
  const digits = String(total < 0n ? -total : total).padStart(scale + 1, "0");
  const sign = total < 0n ? "-" : "";
  return scale ? `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}` : sign + digits;
}
