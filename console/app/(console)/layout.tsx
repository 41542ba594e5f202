"use client";

import type { ReactNode } from "react";
import { Shell } from "@/features/shell/shell";
import { TeamProvider } from "@/features/teams/current";

export default function ConsoleLayout({ children }: { children: ReactNode }) {
  return (
    <TeamProvider>
      <Shell>{children}</Shell>
    </TeamProvider>
  );
}
