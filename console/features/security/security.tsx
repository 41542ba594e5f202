"use client";

import { Section } from "@/components/ui/layout";
import { AccountFrame, Personal } from "@/features/account/frame";
import { useMe } from "@/features/session/session";
import { useConfig, useHasModule } from "@/features/shell/config";
import { useTranslations } from "@/lib/i18n";
import { Email } from "./email";
import { Password } from "./password";
import { SetPassword } from "./set-password";
import { TwoFactor } from "./two-factor";

export function SecurityPage() {
  return (
    <AccountFrame>
      <Personal>
        <Credentials />
        <SecondFactors />
      </Personal>
    </AccountFrame>
  );
}

/** The password and the email address, as far as they are managed here. */
function Credentials() {
  const t = useTranslations("security");
  const me = useMe();
  const { local_accounts } = useConfig();
  if (!local_accounts) return <Section title={t("elsewhereTitle")} text={t("elsewhereText")} />;
  if (me.has_password)
    return (
      <>
        <Password />
        <Email />
      </>
    );
  return (
    <Section title={t("password")} text={t("noPassword")}>
      <SetPassword />
    </Section>
  );
}

function SecondFactors() {
  const has = useHasModule();
  return has("mfa") ? <TwoFactor /> : null;
}
