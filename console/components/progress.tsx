interface Props {
  label: string;
  /** From 0 to 1; null if it is unknown. */
  value: number | null;
}

export function Progress({ label, value }: Props) {
  return (
    <progress
      aria-label={label}
      max={1}
      value={value ?? undefined}
      className="h-2 w-full appearance-none overflow-hidden rounded-full border-0 bg-line text-accent [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-line [&::-webkit-progress-value]:bg-accent"
    />
  );
}
