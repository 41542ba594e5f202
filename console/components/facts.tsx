import type { ReactNode } from "react";

/** Labeled values of an entry. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="grid gap-4 text-sm sm:grid-cols-2 md:grid-cols-3">{children}</dl>;
}

export function Fact({ label, children }: { label: ReactNode; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-quiet">{label}</dt>
      <dd className="mt-0.5 break-words">{children}</dd>
    </div>
  );
}
