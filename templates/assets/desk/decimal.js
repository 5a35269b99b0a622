// Arithmetic with numbers as they are written, digit by digit as src/meta/decimal.rs has it: 0.1 + 0.2 is 0.3.

const EXACT = 9007199254740992;
const FARTHEST = 20;
const DIVIDEND = 37;

function decimal(number) {
  if (!Number.isFinite(number)) return null;
  const [digits, exponent] = number.toExponential().split("e");
  const places = digits.split(".")[1]?.length ?? 0;
  return { units: BigInt(digits.replace(".", "")), exponent: Number(exponent) - places };
}

const toNumber = (units, exponent) => Number(`${units}e${exponent}`);
const power = (places) => 10n ** BigInt(places);
const isWhole = (number) => Number.isFinite(number) && number % 1 === 0;
const isExact = (a, b, result) => isWhole(a) && isWhole(b) && Math.abs(result) <= EXACT;

function aligned(a, b) {
  const [one, other] = [decimal(a), decimal(b)];
  if (!one || !other || Math.abs(one.exponent - other.exponent) > FARTHEST) return null;
  const exponent = Math.min(one.exponent, other.exponent);
  const units = (of) => of.units * power(of.exponent - exponent);
  return [units(one), units(other), exponent];
}

export function add(a, b) {
  const plain = a + b;
  const both = isExact(a, b, plain) ? null : aligned(a, b);
  return both ? toNumber(both[0] + both[1], both[2]) : plain;
}

export const subtract = (a, b) => add(a, -b);

export function multiply(a, b) {
  const plain = a * b;
  if (isExact(a, b, plain)) return plain;
  const [one, other] = [decimal(a), decimal(b)];
  return one && other ? toNumber(one.units * other.units, one.exponent + other.exponent) : plain;
}

export function divide(a, b) {
  const plain = a / b;
  if (b === 0 || (isExact(a, b, plain) && isWhole(plain))) return plain;
  const [one, other] = [decimal(a), decimal(b)];
  if (!one || !other) return plain;
  const length = String(one.units < 0n ? -one.units : one.units).length;
  const places = DIVIDEND - Math.min(length, DIVIDEND);
  return toNumber((one.units * power(places)) / other.units, one.exponent - other.exponent - places);
}

export function remainder(a, b) {
  const plain = a % b;
  const both = b === 0 || isExact(a, b, plain) ? null : aligned(a, b);
  return both ? toNumber(both[0] % both[1], both[2]) : plain;
}

/** Rounded to so many places, a half to the even digit. */
export function round(number, places) {
  const of = decimal(number);
  if (!of) return number;
  const cut = -places - of.exponent;
  if (cut <= 0) return number + 0;
  if (cut > 37) return 0;
  const unit = power(cut);
  let whole = of.units / unit;
  const sign = of.units < 0n ? -1n : 1n;
  const rest = (of.units % unit) * sign * 2n;
  if (rest > unit || (rest === unit && whole % 2n !== 0n)) whole += sign;
  return toNumber(whole, -places) + 0;
}
