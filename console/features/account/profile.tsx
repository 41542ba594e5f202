"use client";

import dynamic from "next/dynamic";
import { Section, Skeleton } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useTranslations } from "@/lib/i18n";
import { DeleteAccount } from "./delete";
import { AccountFrame } from "./frame";

const ProfileForm = dynamic(() => import("./profile-form").then((module) => module.ProfileForm), {
  loading: () => <Skeleton className="h-64" />,
});

export function ProfilePage() {
  const t = useTranslations("account");
  const me = useMe();
  const isImpersonated = me.impersonated_by !== null;
  return (
    <AccountFrame>
      <Section title={t("profileTitle")} text={t("profileText")}>
        {isImpersonated ? <p className="text-sm text-quiet">{t("impersonatedText")}</p> : <ProfileForm />}
      </Section>
      {!isImpersonated && <DeleteAccount />}
    </AccountFrame>
  );
}
