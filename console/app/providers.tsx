"use client";

import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useState, type ReactNode } from "react";
import { ToastProvider } from "@/components/ui/toast";
import { SessionProvider } from "@/features/session/session";
import { SignInAgain } from "@/features/session/sign-in-again";
import { StepUp } from "@/features/session/step-up";
import { ShellSkeleton } from "@/features/shell/skeleton";
import { I18nProvider } from "@/lib/i18n";
import { createQueryClient } from "@/lib/query";

/** What every page needs: texts, data, messages, the session and its dialogs. */
export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(createQueryClient);
  return (
    <QueryClientProvider client={client}>
      <I18nProvider>
        <ToastProvider>
          <Suspense fallback={<ShellSkeleton />}>
            <SessionProvider>
              {children}
              <StepUp />
              <SignInAgain />
            </SessionProvider>
          </Suspense>
        </ToastProvider>
      </I18nProvider>
    </QueryClientProvider>
  );
}
