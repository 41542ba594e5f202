"use client";

import { Button } from "@/components/ui/button";
import { useTranslations } from "@/lib/i18n";

/** Opens the page that emails a link to set a password, for users who signed up without one. */
export function SetPassword() {
  const t = useTranslations("security");
  return (
    <Button asChild variant="secondary">
      <a href="/reset-password">{t("setPassword")}</a>
    </Button>
  );
}
