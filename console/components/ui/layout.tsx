import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

interface HeaderProps {
  title: ReactNode;
  text?: ReactNode;
  /** Buttons for the whole page. */
  actions?: ReactNode;
}

export function PageHeader({ title, text, actions }: HeaderProps) {
  return (
    <header className="mb-6 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
      <div className="min-w-0">
        <h1 className="text-2xl font-semibold tracking-tight break-words">{title}</h1>
        {text !== undefined && <p className="mt-1 break-words text-quiet">{text}</p>}
      </div>
      {actions !== undefined && <div className="flex flex-wrap gap-2">{actions}</div>}
    </header>
  );
}

export function Card({ className, children }: { className?: string; children: ReactNode }) {
  return <section className={cn("rounded-xl border border-line bg-card", className)}>{children}</section>;
}

interface SectionProps {
  title: ReactNode;
  text?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
}

/** A card with a title. */
export function Section({ title, text, actions, children }: SectionProps) {
  return (
    <Card className="mb-6 p-5 sm:p-6">
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h2 className="font-semibold">{title}</h2>
          {text !== undefined && <p className="mt-1 text-sm text-quiet">{text}</p>}
        </div>
        {actions}
      </div>
      {children !== undefined && <div className="mt-4">{children}</div>}
    </Card>
  );
}

const TONES = {
  neutral: "bg-line/60 text-ink",
  good: "bg-good-ground text-good",
  bad: "bg-bad-ground text-bad",
} as const;

export function Badge({ tone = "neutral", children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  return (
    <span className={cn("rounded-full px-2.5 py-0.5 text-xs font-medium whitespace-nowrap", TONES[tone])}>
      {children}
    </span>
  );
}

interface EmptyProps {
  title: ReactNode;
  text: ReactNode;
  /** The next step. */
  action?: ReactNode;
}

export function Empty({ title, text, action }: EmptyProps) {
  return (
    <div className="grid justify-items-center gap-2 px-6 py-14 text-center">
      <p className="font-medium">{title}</p>
      <p className="max-w-md text-sm text-quiet">{text}</p>
      {action !== undefined && <div className="mt-3">{action}</div>}
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cn("animate-pulse rounded-lg bg-line/70", className)} />;
}

/** The rows of a list that is being loaded. */
export function SkeletonRows({ count = 5 }: { count?: number }) {
  return (
    <div className="grid gap-3 p-5">
      {Array.from({ length: count }, (_, index) => (
        <Skeleton key={index} className="h-8" />
      ))}
    </div>
  );
}
