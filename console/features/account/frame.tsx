"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { Empty, PageHeader } from "@/components/ui/layout";
import { providersQuery } from "@/features/identities/queries";
import { useMe } from "@/features/session/session";
import { useHasModule } from "@/features/shell/config";
import { useNavigation } from "@/features/shell/navigation-entries";
import { cn } from "@/lib/cn";
import { useTranslations } from "@/lib/i18n";

/** Shown as a tab only if there are providers. */
const IDENTITIES_PAGE = "/account/identities/";

/** A page of the user's account, with links to the others. */
export function AccountFrame({ children }: { children: ReactNode }) {
  const t = useTranslations("account");
  return (
    <>
      <PageHeader title={t("title")} text={t("text")} />
      <Tabs />
      {children}
    </>
  );
}

function Tabs() {
  const t = useTranslations("account");
  const has = useHasModule();
  const providers = useQuery({ ...providersQuery, enabled: has("identities") });
  const { account } = useNavigation();
  const pages = account.filter(({ key }) => key !== IDENTITIES_PAGE || providers.data?.items.length !== 0);
  return (
    <nav aria-label={t("title")} className="mb-6 flex gap-1 overflow-x-auto border-b border-line">
      {pages.map(({ key, href, text, isCurrent }) => (
        <Link
          key={key}
          href={href}
          prefetch={false}
          aria-current={isCurrent ? "page" : undefined}
          className={cn(
            "border-b-2 px-3 py-2 text-sm whitespace-nowrap -outline-offset-2",
            isCurrent ? "border-accent font-medium text-accent" : "border-transparent text-quiet hover:text-ink",
          )}
        >
          {text}
        </Link>
      ))}
    </nav>
  );
}

/** Shows its children to the users themselves; an administrator who impersonates one has no access. */
export function Personal({ children }: { children: ReactNode }) {
  const me = useMe();
  return me.impersonated_by === null ? children : <OnlyForUser />;
}

export function OnlyForUser() {
  const t = useTranslations("account");
  return <Empty title={t("impersonatedTitle")} text={t("impersonatedText")} />;
}
