"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { Menu as MenuIcon, Search } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { Announcements } from "@/features/announcements/announcements";
import { ImpersonationBanner } from "@/features/impersonation/banner";
import { TeamGate } from "@/features/teams/gate";
import { TeamSwitcher } from "@/features/teams/switcher";
import { cn } from "@/lib/cn";
import { useTranslations } from "@/lib/i18n";
import { useNavigation, type NavigationItem } from "./navigation-entries";
import { Palette } from "./palette";
import { UserMenu } from "./user-menu";

/** The frame of every page: navigation, team, search, banners. */
export function Shell({ children }: { children: ReactNode }) {
  const t = useTranslations("shell");
  const path = usePathname();
  const [openAt, setOpenAt] = useState<string>(); // another page closes the navigation
  const isOpen = openAt === path;
  const [isSearching, setSearching] = useState(false);
  useShortcut(() => setSearching(true));

  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-lg focus:bg-card focus:p-2"
      >
        {t("skip")}
      </a>
      <ImpersonationBanner />
      <div className="flex flex-1">
        <aside
          id="navigation"
          className={cn(
            "z-30 w-64 shrink-0 flex-col border-r border-line bg-card lg:sticky lg:top-0 lg:flex lg:h-dvh",
            isOpen ? "fixed inset-y-0 left-0 flex shadow-xl" : "hidden",
          )}
        >
          <div className="p-3">
            <TeamSwitcher />
          </div>
          <Navigation />
          <div className="mt-auto border-t border-line p-3">
            <UserMenu />
          </div>
        </aside>
        {isOpen && (
          <button
            type="button"
            aria-label={t("closeNavigation")}
            className="fixed inset-0 z-20 bg-black/45 lg:hidden"
            onClick={() => setOpenAt(undefined)}
          />
        )}
        <div className="flex min-w-0 flex-1 flex-col">
          <div className="flex items-center gap-2 px-4 pt-3 sm:px-6 lg:justify-end lg:px-10">
            <Button
              variant="quiet"
              size="icon"
              className="lg:hidden"
              aria-label={t("openNavigation")}
              aria-expanded={isOpen}
              aria-controls="navigation"
              onClick={() => setOpenAt(path)}
            >
              <MenuIcon className="size-5" aria-hidden />
            </Button>
            <Button variant="secondary" size="small" className="ml-auto" onClick={() => setSearching(true)}>
              <Search className="size-4" aria-hidden />
              {t("search")}
              <kbd className="hidden text-xs text-quiet sm:inline">Ctrl K</kbd>
            </Button>
          </div>
          <Announcements />
          <main
            id="content"
            tabIndex={-1}
            className="mx-auto w-full max-w-5xl flex-1 px-4 py-6 outline-none sm:px-6 lg:px-10"
          >
            <TeamGate>{children}</TeamGate>
          </main>
        </div>
      </div>
      <Palette open={isSearching} onOpenChange={setSearching} />
    </div>
  );
}

function Navigation() {
  const t = useTranslations("navigation");
  const { user, admin } = useNavigation();
  return (
    <nav aria-label={t("label")} className="grid content-start gap-0.5 overflow-y-auto px-3 pb-3">
      {user.map(({ key, ...item }) => (
        <NavigationLink key={key} {...item} />
      ))}
      {admin.length > 0 && <p className="mt-5 mb-1 px-2.5 text-xs font-medium text-quiet">{t("administration")}</p>}
      {admin.map(({ key, ...item }) => (
        <NavigationLink key={key} {...item} />
      ))}
    </nav>
  );
}

function NavigationLink({ href, text, icon: Icon, isCurrent }: Omit<NavigationItem, "key">) {
  return (
    <Link
      href={href}
      prefetch={false}
      aria-current={isCurrent ? "page" : undefined}
      className={cn(
        "flex items-center gap-2.5 rounded-lg px-2.5 py-2 text-sm",
        isCurrent ? "bg-accent/10 font-medium text-accent" : "hover:bg-ground",
      )}
    >
      <Icon className="size-4 shrink-0" aria-hidden />
      {text}
    </Link>
  );
}

function useShortcut(open: () => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      open();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  });
}
