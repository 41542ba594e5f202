import type { ReactNode } from "react";

/** Whether a factor can be removed: the last one turns two-factor authentication off, which a team can forbid. */
export type Removal = "allowed" | "turns-off" | "refused";

interface FactorProps {
  icon: ReactNode;
  title: ReactNode;
  text: ReactNode;
  children?: ReactNode;
}

/** A row of the list of factors. */
export function Factor({ icon, title, text, children }: FactorProps) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3.5">
      <span aria-hidden className="text-quiet">
        {icon}
      </span>
      <div className="min-w-0 flex-1 basis-48">
        <p className="font-medium break-words">{title}</p>
        <p className="text-sm text-quiet">{text}</p>
      </div>
      <div className="flex flex-wrap gap-2">{children}</div>
    </li>
  );
}
