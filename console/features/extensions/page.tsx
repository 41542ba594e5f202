"use client";

import { useRouter } from "next/navigation";
import { useEffect, useMemo, useRef, useState } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Empty, PageHeader, Skeleton } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { useMe } from "@/features/session/session";
import { useConfig } from "@/features/shell/config";
import { useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useLocale, useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import { sendRequest } from "./request";
import type { ConsoleSdk, MountPage, MountResult } from "./sdk";
import { titleOf } from "./title";

/** A page that an extension brings. It is loaded without being a part of this build. */
export function ExtensionPage() {
  const t = useTranslations("extensions");
  const [params] = useParams();
  const { pages } = useConfig();
  const { locale } = useLocale();
  const wanted = params.get("page") ?? "";
  const page = pages.find(({ module, path }) => `${module}/${path}` === wanted);
  if (page === undefined) return <Empty title={t("unknownTitle")} text={t("unknownText")} />;
  return (
    <>
      <PageHeader title={titleOf(page, locale)} />
      <Mounted key={`${wanted} ${params.get("team")}`} script={page.script} />
    </>
  );
}

function Mounted({ script }: { script: string }) {
  const element = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<{ isReady: boolean; error?: unknown }>({ isReady: false });
  const [attempt, setAttempt] = useState(0);
  const sdk = useSdk();

  useEffect(() => {
    let isCurrent = true;
    let remove: MountResult;
    const mount = async () => {
      const { default: show } = (await import(/* turbopackIgnore: true */ `${script}?${attempt}`)) as {
        default: MountPage;
      };
      if (!isCurrent || element.current === null) return;
      remove = await show(element.current, sdk);
      if (isCurrent) setState({ isReady: true });
      else remove?.();
    };
    mount().catch((error: unknown) => isCurrent && setState({ isReady: true, error }));
    const container = element.current;
    return () => {
      isCurrent = false;
      remove?.();
      container?.replaceChildren();
    };
  }, [script, attempt, sdk]);

  const retry = () => {
    setState({ isReady: false });
    setAttempt((count) => count + 1);
  };
  return (
    <>
      {!state.isReady && <Skeleton className="h-48" />}
      {state.error !== undefined && <ErrorPanel error={state.error} onRetry={retry} />}
      <div ref={element} className="extension" />
    </>
  );
}

/** The SDK of the current user, team and language. It stays the same object while these do. */
function useSdk(): ConsoleSdk {
  const { id: userId, email, full_name, role } = useMe();
  const { id, name, slug, role: teamRole } = useTeam();
  const { locale } = useLocale();
  const can = useCan();
  const toasts = useToasts();
  const router = useRouter();
  const href = useTeamHref();
  return useMemo(
    () => ({
      locale,
      user: { id: userId, email, full_name, role },
      team: { id, name, slug, role: teamRole },
      can,
      request: (method, path, options) => sendRequest(id, method, path, options),
      showMessage: toasts.show,
      showError: toasts.showError,
      navigate: (path) => router.push(href(path)),
    }),
    [locale, userId, email, full_name, role, id, name, slug, teamRole, can, toasts, router, href],
  );
}
