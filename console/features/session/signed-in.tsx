"use client";

import Link from "next/link";
import { useEffect } from "react";
import { Empty } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

/** The end of a sign-in in a window of its own. The page that asked for it continues, as `SessionProvider` tells it. */
export function SignedIn() {
  const t = useTranslations("session");
  useEffect(() => {
    const timer = setTimeout(() => window.close(), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main>
      <Empty
        title={t("signedInTitle")}
        text={t("signedInText")}
        action={
          <Link href="/" className="text-accent underline">
            {t("signedInAction")}
          </Link>
        }
      />
    </main>
  );
}
