"use client";

import Link from "next/link";
import { Empty } from "@/components/ui/layout";
import { useTranslations } from "@/lib/i18n";

export default function NotFound() {
  const t = useTranslations("notFound");
  return (
    <main>
      <Empty
        title={t("title")}
        text={t("text")}
        action={
          <Link href="/" className="text-accent underline">
            {t("action")}
          </Link>
        }
      />
    </main>
  );
}
