"use client";

import { useQuery } from "@tanstack/react-query";
import { usePathname } from "next/navigation";
import { ErrorPanel } from "@/components/error-text";
import { DateTime, RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Empty, Section, SkeletonRows } from "@/components/ui/layout";
import { AccountFrame, Personal } from "@/features/account/frame";
import { SetPassword } from "@/features/security/set-password";
import { useMe } from "@/features/session/session";
import { useConfig } from "@/features/shell/config";
import { useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { IDENTITIES, identitiesQuery, providersQuery, type Identity, type Provider } from "./queries";

export function IdentitiesPage() {
  return (
    <AccountFrame>
      <Personal>
        <Identities />
      </Personal>
    </AccountFrame>
  );
}

function Identities() {
  const t = useTranslations("identities");
  const me = useMe();
  const { local_accounts } = useConfig();
  const identities = useQuery(identitiesQuery);
  const providers = useQuery(providersQuery);
  const failed = [identities, providers].find(({ error }) => error !== null);
  if (identities.data === undefined || providers.data === undefined)
    return failed ? (
      <ErrorPanel error={failed.error} onRetry={() => void failed.refetch()} />
    ) : (
      <Card>
        <SkeletonRows count={3} />
      </Card>
    );
  const linked = identities.data.items;
  const isOnly = linked.length === 1 && !me.has_password;
  const others = providers.data.items.filter(({ name }) => !linked.some(({ provider }) => provider === name));
  const labels = new Map(providers.data.items.map(({ name, label }) => [name, label]));
  if (linked.length === 0 && others.length === 0)
    return (
      <Card>
        <Empty title={t("noProvidersTitle")} text={t("noProvidersText")} />
      </Card>
    );
  return (
    <>
      <Section title={t("linkedTitle")} text={t("linkedText")}>
        {linked.length === 0 ? (
          <p className="text-sm text-quiet">{t("noneLinked")}</p>
        ) : (
          <ul aria-label={t("linkedTitle")} className="divide-y divide-line">
            {linked.map((identity) => (
              <IdentityRow
                key={identity.id}
                identity={identity}
                label={labels.get(identity.provider) ?? identity.provider}
                isOnly={isOnly}
              />
            ))}
          </ul>
        )}
        {isOnly && local_accounts && (
          <div className="mt-4 grid justify-items-start gap-3 text-sm text-quiet">
            <p>{t("onlyText")}</p>
            <SetPassword />
          </div>
        )}
      </Section>
      {others.length > 0 && (
        <Section title={t("othersTitle")} text={t("othersText")}>
          <ul aria-label={t("othersTitle")} className="divide-y divide-line">
            {others.map((provider) => (
              <ProviderRow key={provider.name} provider={provider} />
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

interface IdentityProps {
  identity: Identity;
  label: string;
  /** Whether the user has no other way to sign in. */
  isOnly: boolean;
}

function IdentityRow({ identity, label, isOnly }: IdentityProps) {
  const t = useTranslations("identities");
  const unlink = useAction({
    run: () => api.identities.unlink({ identity_id: identity.id }),
    success: t("unlinked", { provider: label }),
    invalidates: [IDENTITIES],
  });
  const used = identity.last_used_at;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3.5">
      <div className="min-w-0 flex-1 basis-48">
        <p className="font-medium break-words">{label}</p>
        <p className="text-sm break-words text-quiet">
          {identity.email && `${identity.email} · `}
          {t.rich("linkedAt", { time: () => <DateTime value={identity.created_at} /> })}
          {used !== null && (
            <>
              {" · "}
              {t.rich("used", { time: () => <RelativeTime value={used} /> })}
            </>
          )}
        </p>
      </div>
      {!isOnly && (
        <Confirm
          title={t("unlinkTitle", { provider: label })}
          text={t("unlinkText", { provider: label })}
          action={t("unlink")}
          onConfirm={() => unlink.mutateAsync()}
        >
          <Button variant="danger" size="small" aria-label={t("unlinkTitle", { provider: label })}>
            {t("unlink")}
          </Button>
        </Confirm>
      )}
    </li>
  );
}

/** Links an account at the provider, which then returns to this page. */
function ProviderRow({ provider: { name, label } }: { provider: Provider }) {
  const t = useTranslations("identities");
  const href = useTeamHref();
  const path = usePathname();
  const link = useAction({
    run: (_: void, key) =>
      api.identities.link({ provider: name, return_to: `/app${href(path)}`, "Idempotency-Key": key }),
    onSuccess: ({ redirect_url }) => window.location.assign(redirect_url),
  });
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3.5">
      <p className="min-w-0 flex-1 basis-48 font-medium break-words">{label}</p>
      <Button
        variant="secondary"
        size="small"
        pending={link.isPending || link.isSuccess}
        aria-label={t("linkNamed", { provider: label })}
        onClick={() => link.mutate()}
      >
        {t("link")}
      </Button>
    </li>
  );
}
