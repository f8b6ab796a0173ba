// A shop in React Router as its documentation has it, with StrictMode, which runs effects
// twice. The tests bundle it when they run.
import { createElement as h, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createBrowserRouter, Link, Outlet, redirect, RouterProvider, useNavigate, useSearchParams } from 'react-router'

function Layout() {
  const navigate = useNavigate()
  return h('main', null,
    h(Link, { to: '/app/list?sort=price', id: 'list' }, 'list'),
    h(Link, { to: '/app/item/7', id: 'item' }, 'item'),
    h(Link, { to: '/app/old', id: 'old' }, 'redirected'),
    h('button', { id: 'replace', onClick: () => navigate('/app/replaced', { replace: true }) }, 'replace'),
    h(Outlet))
}

function List() {
  const [, setParams] = useSearchParams()
  return h('button', { id: 'filter', onClick: () => setParams({ sort: 'name' }) }, 'filter')
}

const router = createBrowserRouter([
  {
    path: '/app',
    Component: Layout,
    children: [
      { index: true, element: 'home' },
      { path: 'list', Component: List },
      { path: 'item/:id', element: 'item' },
      { path: 'old', loader: () => redirect('/app/new') },
      { path: 'new', element: 'new' },
      { path: 'replaced', element: 'replaced' },
    ],
  },
])

createRoot(document.getElementById('root')).render(h(StrictMode, null, h(RouterProvider, { router })))
