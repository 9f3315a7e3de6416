interface CodedFailure {
  readonly code: string;
  readonly fields: Readonly<Record<string, string | number | bigint>>;
}

/** One line about a failure: its explanation, or its code as words where there is none, and its fields behind that. */
export function failureText(
  { code, fields }: CodedFailure,
  explanation: string = code.replaceAll("_", " "),
): string {
  const told = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return told.length === 0 ? explanation : `${explanation} (${told.join(", ")})`;
}
